"""Traces, by OpenTelemetry's own variables. Its library reads the others of them itself."""

from pydantic import AliasChoices, Field

from config.settings.group import Group

#: Values of the variable for contents by which spans have them.
_CONTENT = ("true", "span_only", "span_and_event")


class TracingSettings(Group):
    """Traces, by OpenTelemetry's own variables. Values that mlxq does not know mean what is usual."""

    otel_endpoint: str = Field(
        default="",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Collector that gets traces of requests, such as `http://127.0.0.1:4318`; empty: there are none. "
        "It needs the extra `otel`.",
    )
    otel_traces_exporter: str = Field(
        default="otlp",
        validation_alias="OTEL_TRACES_EXPORTER",
        description="`otlp`; anything else, such as `none`: there are no traces.",
    )
    otel_sdk_disabled: str = Field(
        default="false",
        validation_alias="OTEL_SDK_DISABLED",
        description="`true`: there are no traces.",
    )
    otel_content: str = Field(
        default="false",
        validation_alias="OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        description="`true`: traces have the texts of chats and of their answers.",
    )

    @property
    def traces(self) -> bool:
        """Whether traces are wanted."""
        return (
            self.otel_endpoint != ""
            and self.otel_traces_exporter.strip().lower() == "otlp"
            and self.otel_sdk_disabled.strip().lower() != "true"
        )

    @property
    def traced_content(self) -> bool:
        """Whether spans have texts."""
        return self.otel_content.strip().lower() in _CONTENT
