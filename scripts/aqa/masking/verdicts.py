"""What the verification of masks says of each clip, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import ValidationError

from aqa.errors import UserError, nearest
from aqa.files import first_problem
from aqa.records import Name, Record, Sha256

Outcome: TypeAlias = Literal["pass", "fail", "inconclusive"]

_NAMED = 10


class Verdict(Record):
    """Whether the truth can still be seen in the clip that models receive.

    `pass`: the boxes are solid in every frame, the reader reads a score in the unmasked frames (`control`,
    the words), and none in the same frames masked. `fail`: a box is not filled, or a score was `read`.
    `inconclusive`: the boxes are solid, but there is no reader, or it cannot read the unmasked board either:
    that it reads nothing proves nothing. `why` says which, as a clause.
    """

    sample_id: Name
    verdict: Outcome
    why: str
    control: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


class Verification(Record):
    """A file `verification.json`: a verdict for each clip.

    `by` reviewed the boxes; `reader` is None where there was none; `clips` are the manifests that were looked
    at, `<representation>/<profile>`.
    """

    dataset: Name
    masks_sha256: Sha256
    by: str
    reader: str | None
    clips: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def having(self, outcome: Outcome) -> list[Verdict]:
        """Return the verdicts of one outcome."""
        return [verdict for verdict in self.verdicts if verdict.verdict == outcome]

    def sentence(self, accepted: Collection[str]) -> str:
        """Return what a reader of a table must know, as a clause; `accepted`: ids of clips let through."""
        total = len(self.verdicts)
        said = ["it is masked"]
        if passed := self.having("pass"):
            said.append(
                f"in {len(passed)} of {total} clips {self.reader} reads a score before masking and none after"
            )
        causes = Counter(verdict.why for verdict in self.having("inconclusive"))
        said += [
            f"in {count} of {total} clips the masks are filled but not proven to hide it ({why})"
            for why, count in sorted(causes.items())
        ]
        failed = {verdict.sample_id for verdict in self.having("fail")}
        if let := failed.intersection(accepted):
            said.append(f"{len(let)} of {total} clips failed the verification and count all the same")
        if stop := failed.difference(accepted):
            said.append(f"{len(stop)} of {total} clips fail the verification")
        return "; ".join(said)


def load_verification(path: Path) -> Verification:
    """Read `verification.json`.

    Raises:
        UserError: the file is missing or is not such a file.
    """
    try:
        return Verification.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run the verification again") from error
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}; run the verification again") from error


def require(verification: Verification, accepted: Collection[str], place: str) -> list[str]:
    """Let a dataset's cells run, or stop them; return the ids of failed clips that were accepted.

    Args:
        verification: of the dataset.
        accepted: ids of samples that the user lets through although their clips failed.
        place: the verification's file, for messages.

    Raises:
        UserError: a clip failed and is not accepted, or an accepted id is not known.
    """
    known = {verdict.sample_id for verdict in verification.verdicts}
    where = f"datasets.{verification.dataset}.accept_unmasked"
    if unknown := sorted(set(accepted) - known):
        raise UserError(f"{where}: no clip of '{unknown[0]}' was verified{nearest(unknown[0], known)}")
    failed = verification.having("fail")
    open_ = [verdict for verdict in failed if verdict.sample_id not in accepted]
    if open_:
        shown = "; ".join(f"{verdict.sample_id}: {verdict.why}" for verdict in open_[:_NAMED])
        more = f"; and {len(open_) - _NAMED} more" if len(open_) > _NAMED else ""
        raise UserError(
            f"{place}: in {len(open_)} of {len(known)} clips the truth may be seen ({shown}{more}); correct "
            f"the boxes, or, having looked at these clips, name them in {where}"
        )
    return [verdict.sample_id for verdict in failed]
