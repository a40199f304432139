"""Which images, recordings and texts are accepted."""

from pydantic import Field

from config.settings.group import Group
from config.values import Seconds


class MediaSettings(Group):
    """Which images, recordings and texts are accepted."""

    max_images: int = Field(
        default=32,
        ge=1,
        le=1_000,
        description="Largest number of images in a request.",
    )
    max_image_mb: float = Field(
        default=20,
        gt=0,
        le=1_024,
        description="Largest image, as a file, in MB; in chats `MAX_BODY_MB` also applies.",
    )
    max_image_megapixels: float = Field(
        default=50,
        gt=0,
        le=89,
        description="Largest image, in millions of pixels.",
    )
    image_fetch_timeout: Seconds = Field(
        default=10,
        gt=0,
        le=600,
        description="Time limit for fetching an image from its address.",
    )
    allow_private_urls: bool = Field(
        default=False,
        description="Fetch images also from this machine and from private networks.",
    )
    max_audio_mb: float = Field(
        default=200,
        gt=0,
        le=10_240,
        description="Largest recording in MB; base64 adds a third.",
    )
    max_audio_seconds: Seconds = Field(
        default=4 * 3600,
        gt=0,
        le=86_400,
        description="Longest recording.",
    )
    max_speech_characters: int = Field(
        default=4096,
        ge=1,
        le=1_000_000,
        description="Longest text of a speech request, in characters.",
    )
    max_reference_seconds: Seconds = Field(
        default=60,
        gt=0,
        le=600,
        description="Longest recording of a voice.",
    )
    strict: bool = Field(
        default=False,
        description="Refuse what is otherwise answered with a `warning` header: images for a text-only model, and "
        "names of other services' models.",
    )

    @property
    def max_image_bytes(self) -> int:
        return int(self.max_image_mb * 1024 * 1024)

    @property
    def max_audio_bytes(self) -> int:
        return int(self.max_audio_mb * 1024 * 1024)
