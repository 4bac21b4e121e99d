"""The page of environment variables. It describes them; a test holds that it names all that the product reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from docs.generate.markdown import codes, page, table

_Group: TypeAlias = Mapping[tuple[str, ...], str]

_OWN: Final[_Group] = {
    ("REQFLO_STORE",): "The store, if `--store` is not set: a folder, `s3://BUCKET/PREFIX`, or `gs://BUCKET/PREFIX`. "
    "Without it, `run`, `check`, and `submit` use `runner.store` of `reqflo.yaml`; every other command, and a "
    "workspace without that key, uses `./.reqflo`.",
    ("REQFLO_ME_X",): "The value of `me.x` in journeys; any name may take the place of `X`, and becomes lower case. "
    "`REQFLO_ME_TEAM=payments` sets `me.team`, and `REQFLO_ME_USER` replaces `me.user`.",
    ("REQFLO_DEBUG",): "`1` prints the traceback of an internal error. It may show values of your data.",
    ("REQFLO_SECRET_MANAGER_EMULATOR",): "`127.0.0.1:PORT` of an emulator of Google Secret Manager, for tests. Other "
    "hosts are refused.",
    ("DEMO_CLIENT_SECRET",): "The client secret that the demo API accepts. Without it, the demo API accepts any.",
}
_CLUSTER: Final[_Group] = {
    ("RAY_API_SERVER_ADDRESS",): "The dashboard of the cluster, `http://HEAD:8265`, if `--address` of `submit`, "
    "`status`, `logs`, or `stop` is not set.",
    ("RAY_AUTH_TOKEN",): "The token of the cluster.",
    ("RAY_AUTH_TOKEN_PATH",): "A file that holds the token. Without both, `~/.ray/auth_token` is read.",
    ("RAY_AUTH_MODE",): "`disabled` sends no token.",
}
_STORAGE: Final[_Group] = {
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"): "Credentials for `s3://`.",
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"): "Web identity for `s3://`, as Kubernetes provides it.",
    (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ): "The role of a container for `s3://`.",
    ("AWS_SKIP_SIGNATURE",): "`true` sends unsigned requests to a public bucket.",
    ("AWS_REGION",): "The region of the bucket.",
    ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"): "The address of another service that speaks S3, such "
    "as MinIO; the first one that is set applies.",
    ("GOOGLE_APPLICATION_CREDENTIALS",): "The file of Google's application default credentials, for `gs://` and Secret "
    "Manager.",
    (
        "GOOGLE_BEARER_TOKEN",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_SKIP_SIGNATURE",
    ): "Other credentials for `gs://`, as the client library `object_store` reads them.",
    ("STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"): "The address of an emulator of Google Cloud Storage.",
}
_SYSTEM: Final[_Group] = {
    ("NO_COLOR",): "Any value turns colors off.",
    ("FORCE_COLOR",): "Any value except `0` turns colors on where there is no terminal.",
    ("TERM",): "`dumb` turns colors and the progress bar off.",
    (
        "CI",
        "GITHUB_ACTIONS",
        "TF_BUILD",
        "TEAMCITY_VERSION",
    ): "Any value of one of them turns the progress bar off.",
    ("GITHUB_STEP_SUMMARY",): "A report that is written to this file is appended to it.",
    ("TMPDIR",): "Where rows from memory and from pipes are kept while they are read.",
}


def variables() -> list[str]:
    """Return every variable that the page names."""
    return [name for group in (_OWN, _CLUSTER, _STORAGE, _SYSTEM) for names in group for name in names]


def pages() -> Mapping[str, str]:
    """Return the page."""
    return {
        "environment.md": page(
            "Environment variables",
            "An option of the command line takes precedence over its variable. Proxies are set in "
            "`reqflo.yaml`, never by `HTTP_PROXY`. Names of secrets in the environment are yours to choose.",
            "## reqflo-ray",
            _table(_OWN),
            "## Ray clusters",
            _table(_CLUSTER),
            "## Object storage and secrets",
            "Each worker reads these from its own environment.",
            _table(_STORAGE),
            "## Terminal and system",
            _table(_SYSTEM),
        )
    }


def _table(group: _Group) -> str:
    return table(("Variable", "Meaning"), [(codes(names), words) for names, words in group.items()])
