"""Options that several sub-commands share, and functions that read their values."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from resbench.runtime.providers import PROVIDERS


def one_of(names: Iterable[str], help: str) -> Any:
    """Return an option that takes one of some names, such as a registry's keys.

    Args:
        names: The names.
        help: Help text of the option.

    Returns:
        The option, for `Annotated`.
    """
    known = list(names)

    def check(value: str) -> str:
        if value not in known:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}.")
        return value

    return typer.Option(parser=check, metavar=f"<{'|'.join(known)}>", help=help)


def numbers(text: str, option: str) -> list[int]:
    """Read a comma-separated list of different positive integers.

    Args:
        text: The list.
        option: Name of the option, for messages.

    Returns:
        The numbers.

    Raises:
        typer.BadParameter: It is not such a list.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1 or len(set(numbers)) < len(numbers):
        raise typer.BadParameter(
            f"{text!r} is not a comma-separated list of different positive integers", param_hint=option
        )
    return numbers


def provider_options(texts: list[str] | None, used: Collection[str]) -> dict[str, dict[str, str]]:
    """Read options of providers.

    Args:
        texts: Each as PROVIDER.NAME=VALUE.
        used: Names of the providers that models run on.

    Returns:
        Values by name, for each provider that has options.

    Raises:
        typer.BadParameter: One of them is malformed, or of a provider that is not used.
    """
    options: dict[str, dict[str, str]] = {}
    for text in texts or []:
        match = re.fullmatch(rf"({'|'.join(PROVIDERS)})\.(\w+)=(.+)", text)
        if not match:
            raise typer.BadParameter(f"{text!r} is not PROVIDER.NAME=VALUE", param_hint="--provider-option")
        provider, name, value = match.groups()
        if provider not in used:
            raise typer.BadParameter(
                f"{text!r} is of {provider}, but --provider is {', '.join(used)}", param_hint="--provider-option"
            )
        options.setdefault(provider, {})[name] = value
    return options


ProviderName = Annotated[str, one_of(PROVIDERS, "Execution provider; an error if it is not available.")]
ProviderOptions = Annotated[
    list[str] | None, typer.Option(help="Option of the runtime, as PROVIDER.NAME=VALUE; once for each.")
]
Data = Annotated[Path, typer.Option("--data", help="An .npz written by `resbench convert`.")]
Robustness = Annotated[
    Path | None, typer.Option(help="What `robustness --results` wrote.  Default: there are no further test sets.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads.  Default: all cores.")]
