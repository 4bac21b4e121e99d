"""Codes of what people write: workspaces, journeys, environments, and the values that they set for a run."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.error_codes.meaning import ErrorCode

CODES: Final = (
    ErrorCode(
        "invalid_definition",
        "The workspace, the journey, or the values of the run have errors.",
        "Correct each finding; `reqflo-ray check` lists all of them with file, line, and column.",
    ),
    ErrorCode("ambiguous_case", "Several cases of the journey have the same name.", "Rename all but one of them."),
    ErrorCode(
        "ambiguous_environment",
        "Several environments of the workspace have the same name.",
        "Rename all but one of them.",
    ),
    ErrorCode(
        "ambiguous_journey",
        "Several journeys of the workspace, or of the named file, match the name.",
        "Name one of the journeys that the hint lists, or rename all but one.",
    ),
    ErrorCode(
        "ambiguous_overlay", "Several overlays of the journey have the same name.", "Rename all but one of them."
    ),
    ErrorCode(
        "ambiguous_preset", "Several presets of the workspace have the same name.", "Rename all but one of them."
    ),
    ErrorCode(
        "ambiguous_template",
        "Several templates match the reference.",
        "Name the version, as the hint shows, or rename all but one of the templates.",
    ),
    ErrorCode(
        "blanks_lost", "A header value begins or ends with blanks, which HTTP does not transmit.", "Remove the blanks."
    ),
    ErrorCode(
        "bundle_not_supported",
        "The document is a portable bundle (`apiVersion`, `kind`), which is not supported.",
        "Write its contents as a `journey` and `templates`.",
    ),
    ErrorCode(
        "common_value",
        "A value to be masked is so short or common that the same text also occurs where it is not secret.",
        "Choose a longer value that is used nowhere else.",
    ),
    ErrorCode(
        "duplicate_key",
        "A name that must be unique occurs twice: a YAML key, a header, or the key of a row.",
        "Remove or rename one of the two.",
    ),
    ErrorCode("duplicate_name", "Two declarations have the same name.", "Rename one of them."),
    ErrorCode("duplicate_step", "Two steps of the journey have the same ID.", "Change the `id` of one of them."),
    ErrorCode(
        "file_not_found",
        "A file that a journey sends does not exist, or cannot be read.",
        "Correct the path, which is relative to the workspace, or add the file.",
    ),
    ErrorCode(
        "file_too_large", "A file that a journey sends is larger than an artifact may hold.", "Send a smaller file."
    ),
    ErrorCode(
        "incompatible_environment",
        "The environment lacks a service or value that the journey needs, or no environment is chosen.",
        "Choose an environment with `--env`, or add what is missing to its definition.",
    ),
    ErrorCode(
        "insecure_environment",
        "The environment turns off the verification of TLS certificates.",
        "Set `http.ca_file` to the certificate of the authority instead.",
    ),
    ErrorCode(
        "invalid_artifact",
        "The file is not an artifact, or is damaged.",
        "Write it again with `reqflo-ray compile JOURNEY -o FILE`.",
    ),
    ErrorCode(
        "invalid_assertion",
        "The parts of an assertion do not fit together, or one of them is not valid.",
        "Correct the type, operator, path, or expected value that the message names.",
    ),
    ErrorCode(
        "invalid_expression",
        "The text in `{{ }}` is not a valid expression.",
        "Write a namespace and a name, such as `{{ inputs.region }}` or `{{ steps.login.outputs.token }}`.",
    ),
    ErrorCode(
        "invalid_output",
        "The path of an output does not point to a part of the response.",
        "Begin the path with `body`, `headers`, or `status`, such as `body.order.id`.",
    ),
    ErrorCode(
        "invalid_path",
        "A path into a response is not valid.",
        "Write a JSONPath such as `$.order.id`, or the name of a header.",
    ),
    ErrorCode("invalid_proxy", "The address of the proxy is not a URL with a host.", "Write it as `http://HOST:PORT`."),
    ErrorCode(
        "invalid_reference",
        "An expression names a value that does not exist, or that cannot be used at this place.",
        "Correct the name; the hint suggests a known one.",
    ),
    ErrorCode(
        "invalid_step",
        "A step has an unknown type, or a key that its type does not have.",
        "Correct the `type`, or remove the key that the message names.",
    ),
    ErrorCode(
        "invalid_template",
        "The parts of a request contradict each other.",
        "Remove or correct one of the two parts that the message names.",
    ),
    ErrorCode(
        "invalid_tls_settings",
        "A certificate or key in the `http` settings cannot be used.",
        "Set paths of PEM files that belong together and exist on every worker.",
    ),
    ErrorCode(
        "journey_cycle",
        "A journey runs itself, directly or through other journeys.",
        "Remove one of the `sub_journey` steps that the cause lists.",
    ),
    ErrorCode(
        "journey_limit",
        "The journey exceeds a limit on its size, nesting, or text.",
        "Split the journey, or let the rows of a dataset replace repeated steps.",
    ),
    ErrorCode(
        "literal_parameter",
        "The path of a step contains `:name` or `{name}`, which is sent as written.",
        "Write `{{ inputs.name }}` to insert a value; ignore the warning if the text is meant literally.",
    ),
    ErrorCode(
        "missing_key",
        "A required key is missing; in a dataset, a row has no key.",
        "Add the key that the message names, or fill in the key column of the row.",
    ),
    ErrorCode(
        "missing_required_value",
        "A required input or variable has no value from any source.",
        "Set it with `--set`, a data column, a case, or a preset, or add a `default`.",
    ),
    ErrorCode(
        "missing_secret",
        "A secret that the journey uses is not available.",
        "Provide the variable, file, or Secret Manager entry that the cause names.",
    ),
    ErrorCode(
        "no_workspace",
        "Neither the folder nor a folder above it holds a `reqflo.yaml`.",
        "Name the workspace with `--workspace DIR`, or create one with `reqflo-ray init`.",
    ),
    ErrorCode(
        "passed_over",
        "A name was not found, and may be in a file that was skipped because it is not valid YAML.",
        "Correct the file, or begin its document with a root key such as `journey:`.",
    ),
    ErrorCode(
        "path_outside_workspace",
        "A path leads out of the workspace.",
        "Copy the file into the workspace and name the copy.",
    ),
    ErrorCode(
        "reference_cycle",
        "The value of a declaration depends on itself.",
        "Change one of the declarations that the message lists.",
    ),
    ErrorCode(
        "retired_engine", "The named HTTP engine no longer exists.", "Remove `http.engine` to use the default engine."
    ),
    ErrorCode(
        "rewritten_number",
        "YAML reads the value as a number, which would not be sent as it is written.",
        "Put the value in quotes to send it as written.",
    ),
    ErrorCode(
        "retry_with_key",
        "A step retries failed assertions with the same idempotency key, and may get the same response again.",
        "Retry errors only: `retry: {causes: [error]}`.",
    ),
    ErrorCode(
        "secret_anywhere",
        "A secret without a list of hosts is sent to a host that an earlier response chooses.",
        "List the `hosts` that may receive it under `secrets.names` in `reqflo.yaml`.",
    ),
    ErrorCode(
        "shadowed_set",
        "The dataset has a column of the name that `--set` sets, and the value of a row takes precedence.",
        "Remove the column or the `--set`.",
    ),
    ErrorCode(
        "step_by_name",
        "An expression refers to a step by its `name`, which may change.",
        "Refer to the step by its `id`.",
    ),
    ErrorCode(
        "taken_as_sensitive",
        "A later step sends an output in a credential header, so the output is masked.",
        "Set `sensitive: true` on the output, or `sensitive: false` if it may be shown.",
    ),
    ErrorCode(
        "too_many_errors",
        "`check` stopped because it found too many errors.",
        "Correct the errors shown, then check again.",
    ),
    ErrorCode(
        "undeclared_column",
        "A column of the dataset does not match any input or variable.",
        "Declare an input of that name, or remove the column.",
    ),
    ErrorCode(
        "undeclared_value",
        "A value is set for a name that the journey or template does not declare.",
        "Correct the name, or declare it.",
    ),
    ErrorCode(
        "unknown_assertion",
        "An overlay removes an assertion that the step does not have.",
        "Correct the ID; it is the `id` of an assertion of that step.",
    ),
    ErrorCode("unknown_case", "The journey has no case of that name.", "Choose one of the cases that the hint lists."),
    ErrorCode(
        "unknown_document",
        "A YAML document has an unknown root key, and is ignored.",
        "Correct the root key, or add the file to `workspace.exclude` if another tool owns it.",
    ),
    ErrorCode(
        "unknown_environment",
        "The workspace has no environment of that name.",
        "Choose one of the environments that the hint lists.",
    ),
    ErrorCode(
        "unknown_http_engine",
        "The HTTP engine does not exist.",
        "Set `http.engine` to `httptools` or `httpx`, or remove it.",
    ),
    ErrorCode(
        "unknown_journey",
        "The workspace has no journey of that name.",
        "Choose one of the journeys that the hint lists.",
    ),
    ErrorCode(
        "unknown_key",
        "The key is not defined at this place.",
        "Correct the spelling, or remove the key; the hint lists what is possible.",
    ),
    ErrorCode(
        "unknown_output", "An overlay removes an output that the step does not have.", "Correct the name of the output."
    ),
    ErrorCode(
        "unknown_overlay", "The journey has no overlay of that name.", "Choose one of the overlays that the hint lists."
    ),
    ErrorCode(
        "unknown_preset", "The workspace has no preset of that name.", "Choose one of the presets that the hint lists."
    ),
    ErrorCode("unknown_step", "The journey has no step with that ID.", "Choose one of the steps that the hint lists."),
    ErrorCode(
        "unknown_template",
        "The workspace has no template that matches the reference.",
        "Correct the name or the version of the template.",
    ),
    ErrorCode(
        "unresolved_step_output",
        "An expression refers to an output that no earlier step produces.",
        "Correct the step or the output, or declare the output in an earlier step.",
    ),
    ErrorCode(
        "unset_value",
        "A text or an assertion uses an optional value that no source sets.",
        "Set the value, or add a `default` to its declaration.",
    ),
    ErrorCode(
        "unsupported_artifact",
        "Another version of reqflo-ray wrote the artifact, in a format that this one does not read.",
        "Compile the journey again, or use the version that wrote the artifact.",
    ),
    ErrorCode(
        "unsupported_proxy",
        "The HTTP engine does not support this kind of proxy.",
        "Use the proxy or the engine that the hint names.",
    ),
    ErrorCode(
        "untyped_value",
        "A table or `--set` supplies text, and an assertion compares it with a value that is not text.",
        "Declare the `type` of the input or variable, such as `type: integer`.",
    ),
    ErrorCode(
        "wrong_charset",
        "The body is sent as UTF-8, and its content type names another charset.",
        "Remove the charset from the content type.",
    ),
    ErrorCode("wrong_type", "A value has the wrong type.", "Write a value of the type that the message names."),
    ErrorCode(
        "wrong_value",
        "A value is not one of those allowed here.",
        "Write one of the values that the message or hint names.",
    ),
    ErrorCode("yaml_encoding", "A YAML file is not UTF-8 text.", "Save the file as UTF-8."),
    ErrorCode(
        "yaml_limit",
        "A YAML file exceeds a limit on its size, values, or nesting.",
        "Split the file, or nest it less deeply.",
    ),
    ErrorCode(
        "yaml_syntax",
        "The text is not valid YAML.",
        "Correct the line that the message shows; check indentation, quotes, and colons first.",
    ),
    ErrorCode("yaml_tag", "The text has a YAML tag (`!name`), which is not supported.", "Remove the tag."),
)
