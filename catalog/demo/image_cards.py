"""The image generation jobs of the demo, as data: each prompt fits its drawing."""

from dataclasses import dataclass

from catalog.demo.stage import Card
from catalog.models.job import JobStatus


@dataclass(frozen=True, slots=True)
class ImageCard:
    """One image generation job.

    Attributes:
        prompt: What was asked for.
        scene: Which drawing shows it.
        palette: Colours of the drawing.
        size: Width and height in pixels.
        card: What any job has.
        count: Images per version.
        ending: File format.
        model: ``config.model``.
        loras: Names of the LoRAs used.
        versions: How often the job was run.
    """

    prompt: str
    scene: str
    palette: str
    size: tuple[int, int]
    card: Card
    count: int = 2
    ending: str = "png"
    model: str = "flux-pro"
    loras: tuple[str, ...] = ()
    versions: int = 1


def _user123() -> tuple[ImageCard, ...]:
    jesse = ("jesse_avatar",)
    workshop = ("seo_workshop_style",)
    return (
        ImageCard(
            "professional headshot of jf, navy jacket, soft studio light",
            "portrait",
            "cool",
            (768, 1024),
            Card(
                "user123",
                205.1,
                tags=("avatar", "headshot"),
                description="Profile picture for the speaker page",
            ),
            count=4,
            ending="jpg",
            model="flux-lora",
            loras=jesse,
        ),
        ImageCard(
            "jf smiling in front of a warm orange wall, portrait",
            "portrait",
            "warm",
            (512, 512),
            Card("user123", 170.9, tags=("avatar",), is_public=True),
            count=3,
            ending="webp",
            model="flux-lora",
            loras=jesse,
        ),
        ImageCard(
            "seowk title slide, circles and squares in teal and violet",
            "shapes",
            "vivid",
            (1280, 720),
            Card(
                "user123",
                92.0,
                tags=("seo workshop", "banner"),
                name="SEO Workshop Campaign banner",
                description="Header of the December workshop",
            ),
            count=4,
            model="flux-lora",
            loras=workshop,
            versions=2,
        ),
        ImageCard(
            "seowk social post, bold triangles, space for a headline",
            "shapes",
            "warm",
            (1024, 1024),
            Card(
                "user123",
                90.6,
                tags=("seo workshop", "social"),
                name="SEO Workshop Campaign social post",
            ),
            count=2,
            ending="jpg",
            model="flux-lora",
            loras=workshop,
        ),
        ImageCard(
            "jf on stage, seowk backdrop, conference photo",
            "portrait",
            "vivid",
            (896, 640),
            Card("user123", 85.3, tags=("seo workshop", "avatar")),
            count=2,
            ending="jpg",
            model="flux-lora",
            loras=(*jesse, *workshop),
        ),
        ImageCard(
            "burning orange sunset over dark hills after the wildfires",
            "sunset",
            "warm",
            (1536, 864),
            Card(
                "user123",
                301.4,
                tags=("landscape", "wildfire report"),
                description="Cover of the fire season report",
            ),
            count=2,
            ending="jpg",
            model="flux-lora",
            loras=("ember_landscapes",),
        ),
        ImageCard(
            "embrls valley, smoke drifting between ridges, low sun",
            "sunset",
            "dusk",
            (1024, 576),
            Card("user123", 289.0, tags=("landscape", "wildfire report")),
            count=3,
            ending="webp",
            model="flux-lora",
            loras=("ember_landscapes",),
        ),
        ImageCard(
            "layers of misty pine forest, paper cut style",
            "forest",
            "green",
            (832, 1216),
            Card("user123", 140.5, tags=("forest", "illustration"), is_public=True),
            count=3,
            model="flux-lora",
            loras=("paper_forest",),
        ),
        ImageCard(
            "city skyline at night, lit windows, full moon",
            "skyline",
            "night",
            (1216, 832),
            Card("user123", 40.2, tags=("city", "night")),
            count=2,
            model="flux-lora",
            loras=("night-harbor-v2",),
        ),
        ImageCard(
            "calm blue ocean waves, seen from above the horizon",
            "waves",
            "cool",
            (640, 480),
            Card("user123", 12.6, tags=("sea", "background")),
            count=3,
            ending="jpg",
        ),
        ImageCard(
            "tiny app icon, ringed planet on dark blue",
            "planet",
            "night",
            (256, 256),
            Card("user123", 3.1, tags=("icon", "space"), is_public=True),
            count=4,
            model="flux-schnell",
        ),
    )


def _others() -> tuple[ImageCard, ...]:
    return (
        ImageCard(
            "annap looking to the left, pastel background, portrait",
            "portrait",
            "pastel",
            (640, 896),
            Card("user456", 260.7, tags=("portrait", "newsletter")),
            count=3,
            ending="jpg",
            model="flux-lora",
            loras=("anna_portrait",),
        ),
        ImageCard(
            "rtrplnt travel poster, huge ringed planet, red desert tones",
            "planet",
            "warm",
            (768, 1152),
            Card(
                "user456",
                180.3,
                tags=("space", "poster"),
                description="Visit the rings",
                is_public=True,
            ),
            count=3,
            model="sdxl-lora",
            loras=("retro_planets",),
        ),
        ImageCard(
            "quiet sea in the morning, pastel waves",
            "waves",
            "pastel",
            (1024, 512),
            Card("user456", 58.0, tags=("sea", "calm")),
            count=3,
            ending="webp",
            model="flux-lora",
            loras=("calm_waves",),
        ),
        ImageCard(
            "skyline of a port at dusk, violet sky",
            "skyline",
            "dusk",
            (960, 640),
            Card("user456", 24.4, tags=("city",)),
            count=2,
            ending="jpg",
        ),
        ImageCard(
            "abstract poster of overlapping circles, pastel colours",
            "shapes",
            "pastel",
            (720, 960),
            Card("user456", 8.8, tags=("abstract", "poster"), is_public=True),
            count=3,
            model="flux-schnell",
        ),
        ImageCard(
            "mndln flower ornament, violet lines, symmetric",
            "mandala",
            "vivid",
            (800, 800),
            Card("user789", 231.9, tags=("pattern", "mandala"), is_public=True),
            count=3,
            model="flux-lora",
            loras=("mandala_lines",),
        ),
        ImageCard(
            "green mandala, eight petals, dark background",
            "mandala",
            "green",
            (512, 512),
            Card("user789", 199.2, tags=("pattern",)),
            count=3,
            ending="webp",
        ),
        ImageCard(
            "glsbt green bottle on a wooden table, studio light",
            "bottle",
            "green",
            (600, 900),
            Card("user789", 120.0, tags=("product", "bottle")),
            count=3,
            ending="jpg",
            model="flux-lora",
            loras=("glass_bottles",),
        ),
        ImageCard(
            "amber bottle against a dark wall, product photo",
            "bottle",
            "warm",
            (480, 640),
            Card("user789", 66.6, tags=("product", "bottle", "C++")),
            count=2,
            ending="jpg",
        ),
        ImageCard(
            "pine forest at night, the nearest trees lit golden, faint stars",
            "forest",
            "night",
            (1024, 768),
            Card("user789", 17.5, tags=("forest", "winter")),
            count=2,
        ),
        ImageCard(
            "public domain wallpaper of hills at sunset",
            "sunset",
            "pastel",
            (1366, 768),
            Card("user789", 1.9, tags=("landscape", "wallpaper"), is_public=True),
            count=2,
            ending="jpg",
            model="flux-schnell",
        ),
    )


def _unfinished() -> tuple[ImageCard, ...]:
    """Jobs without a result: scenery that no worker ever claims."""
    return (
        ImageCard(
            "jf waving, autumn park in the background",
            "portrait",
            "warm",
            (768, 768),
            Card("user123", 0.01, JobStatus.PROCESSING, tags=("avatar",)),
            model="flux-lora",
            loras=("jesse_avatar",),
        ),
        ImageCard(
            "seowk thank-you card, confetti of small squares",
            "shapes",
            "vivid",
            (1024, 1024),
            Card("user123", 0.004, JobStatus.QUEUED, tags=("seo workshop",)),
            model="flux-lora",
            loras=("seo_workshop_style",),
        ),
        ImageCard(
            "harbour at noon, thousands of windows",
            "skyline",
            "cool",
            (2048, 2048),
            Card(
                "user123",
                39.7,
                JobStatus.FAILED,
                tags=("city",),
                error="The provider refused the size 2048 x 2048.",
            ),
        ),
        ImageCard(
            "moon base poster",
            "planet",
            "cool",
            (768, 1152),
            Card("user456", 0.03, JobStatus.QUEUED, tags=("space",)),
        ),
        ImageCard(
            "endless mandala tunnel",
            "mandala",
            "night",
            (512, 512),
            Card("user789", 51.0, JobStatus.CANCELLED, tags=("pattern", "test")),
        ),
    )


IMAGES = (*_user123(), *_others(), *_unfinished())
