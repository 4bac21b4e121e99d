"""How a run becomes complete, and what is removed then. The order of files is what makes it safe at any instant."""

from __future__ import annotations

import hashlib

import msgspec

from reqflo_ray.errors import StoreError
from reqflo_ray.model.results import FileDigest, Manifest, Verdict
from reqflo_ray.store import layout
from reqflo_ray.store.run_folder import RunFolder, damaged, encode_manifest


def complete(folder: RunFolder, verdict: Verdict, shards: int) -> Verdict:
    """Finish the run: the verdict, then the manifest.

    The first verdict counts and is returned, so that two drivers that both get here cannot contradict each other.

    Args:
        shards: how many shards the plan has.

    Raises:
        IntegrityError: a file is not what its commit says; the run stays unfinished.
        StoreError: `uncommitted_shards`.
    """
    files = _checked_files(folder, shards)
    encoded = msgspec.json.format(msgspec.json.encode(verdict), indent=2)
    if not folder.storage.create(folder.path(layout.VERDICT), encoded):
        encoded = folder.read_file(layout.VERDICT)
    files.append(_digest(layout.VERDICT, encoded))
    manifest = Manifest(
        run_id=folder.run_id,
        files=tuple(sorted(files, key=lambda file: file.path)),
        rows=sum(file.rows for file in files if file.path.startswith(f"{layout.RESULTS}/")),
    )
    folder.storage.create(folder.path(layout.MANIFEST), encode_manifest(manifest))
    return folder.decode(layout.VERDICT, encoded, Verdict)


def clean_up(folder: RunFolder) -> None:
    """Remove what only an unfinished run needs: the key of its sensitive values, journals, claims, markers, files of
    attempts that lost.

    Does nothing for an unfinished run. Its driver must have stopped its beat before.
    """
    manifest = folder.read_manifest()
    if manifest is None:
        return
    # First: with it go the sensitive values, which nobody needs any more.
    folder.storage.remove(folder.path(layout.SEALING_KEY))
    kept = {file.path for file in manifest.files}
    for part in (layout.ROWS, layout.RESULTS, layout.STEPS):
        for name in folder.storage.list(folder.path(part)):
            if f"{part}/{name}" not in kept:
                folder.storage.remove(folder.path(f"{part}/{name}"))
    # Attempts that still run somewhere find the commits, which stay: their fence remains closed.
    for part in (layout.JOURNALS, layout.ATTEMPTS, layout.STOPS, layout.EPOCHS):
        folder.storage.remove_tree(folder.path(part))
    for part in ("", layout.ROWS, layout.RESULTS, layout.STEPS, layout.COMMITS):
        folder.storage.sweep(folder.path(part))


def _checked_files(folder: RunFolder, shards: int) -> list[FileDigest]:
    commits = folder.commits()
    missing = [shard for shard in range(shards) if shard not in commits]
    if missing:
        raise StoreError(
            f"{len(missing)} of {shards} shards of run `{folder.run_id}` are not committed",
            code="uncommitted_shards",
            hint=f"`reqflo-ray resume {folder.run_id}`",
        )
    names = [layout.RECORD, layout.PLAN]
    for shard in range(shards):
        names += [layout.rows(shard), layout.commit(shard)]

    def look(name: str) -> FileDigest:
        return _digest(name, folder.read_file(name))

    files = list(folder.storage.each(look, names))
    written = [promised for shard in range(shards) for promised in commits[shard].files]
    for promised, found in zip(written, folder.storage.each(look, [file.path for file in written]), strict=True):
        if (found.sha256, found.size) != (promised.sha256, promised.size):
            raise damaged(folder.run_id, promised.path, "it is not what was committed")
        files.append(promised)
    return files


def _digest(name: str, data: bytes) -> FileDigest:
    return FileDigest(path=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
