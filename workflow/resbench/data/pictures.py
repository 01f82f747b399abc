"""Any picture as the 32×32 RGB image that the networks take."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from resbench.common.errors import ResbenchError, one_line

SIDE = 32
# Raster formats decoded in this process: Pillow would hand an EPS file to Ghostscript, an interpreter.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture of any size, uint8 (32, 32, 3).

    Turned as its EXIF orientation says, laid on white where it is transparent, and squeezed to a
    square without cropping.  Of an animation, the first frame.

    Raises:
        ResbenchError: no such file, not a picture, damaged, or more than Pillow's limit of pixels
            (89 million), which a few bytes of hostile file can claim.
    """
    if not path.is_file():
        raise ResbenchError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # odd but readable EXIF data
            with Image.open(path, formats=FORMATS) as image:
                upright = ImageOps.exif_transpose(image)
            small = _on_white(upright).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    except Exception as error:  # decoders raise what they like on hostile bytes
        raise ResbenchError(f"{path}: not a readable picture ({one_line(error)}); convert it to PNG") from error
    return np.asarray(small)


def pictures(path: Path) -> list[Path]:
    """The path itself or, of a folder, the files in it that are called like pictures, sorted by name.

    Raises:
        ResbenchError: a folder without any.
    """
    if not path.is_dir():
        return [path]
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes and file.is_file())
    if not found:
        raise ResbenchError(f"{path}: no pictures in this folder; name one that holds some")
    return found


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which convert() would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    overlay = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", overlay.size, "white"), overlay).convert("RGB")
