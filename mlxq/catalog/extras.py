"""Which libraries of model families are extras of mlxq: a plain installation does not have them."""

from jobs.errors import NotSupported

#: The extra that brings a library, by the name under which it is imported.
EXTRAS = {
    "f5_tts_mlx": "f5-tts",
    "mflux": "flux",
    "mlx_whisper": "whisper",
    "vocos_mlx": "f5-tts",
}


def lacking(error: ModuleNotFoundError) -> NotSupported | None:
    """The error for the client, which names the extra; None where it is no extra that is missing."""
    library = (error.name or "").partition(".")[0]
    if library not in EXTRAS:
        return None
    return NotSupported(
        f"This model needs the library '{library}', which is an extra of this server: "
        f"`pip install 'mlxq[{EXTRAS[library]}]'` brings it.",
        param="model",
    )
