"""Who may run a fenced effect: decisions over one document, made by atomic updates of it.

The document of a fence is `{"epoch": 7, "claims": {<step>: [<claim>, …]}}`. Raising the epoch
empties the claims, so it stays small. A claim is appended whatever it meets; what was there before
decides, and the answer of the one update that appends it says what was.
"""

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

Document: TypeAlias = dict[str, Any] | None
Verdict: TypeAlias = Literal["granted", "newer", "taken"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The wish to run an effect.

    Attributes:
        claimant: Run and place in it; the same for every driver of the run.
        driver: Epoch of the driver within its run: a later driver goes on for an earlier one.
    """

    claimant: str
    driver: int


def claim_key(epoch: int, step: str) -> str:
    """Under which key the claims of an effect are kept."""
    return blake2b(f"{epoch}\0{step}".encode(), digest_size=16).hexdigest()


def raise_operations(by: int) -> list[dict[str, Any]]:
    """The update, in iii's terms, that begins as many new epochs; the last one is the latest."""
    return [
        {"type": "increment", "path": "epoch", "by": by},
        {"type": "set", "path": "claims", "value": {}},
    ]


def claim_operations(epoch: int, step: str, claim: Claim) -> list[dict[str, Any]]:
    """The update, in iii's terms, that claims an effect."""
    path = ["claims", claim_key(epoch, step)]
    return [{"type": "append", "path": path, "value": asdict(claim)}]


def raised(document: Document, by: int) -> Document:
    """What `raise_operations` make of a document."""
    return {"epoch": epoch_of(document) + by, "claims": {}}


def claimed(document: Document, epoch: int, step: str, claim: Claim) -> Document:
    """What `claim_operations` make of a document."""
    key = claim_key(epoch, step)
    before = document or {}
    claims: dict[str, list[Any]] = before.get("claims", {})
    return {**before, "claims": {**claims, key: [*claims.get(key, []), asdict(claim)]}}


def epoch_of(document: Document) -> int:
    """The latest epoch; 0 if there was none."""
    return int((document or {}).get("epoch") or 0)


def decide(before: Document, epoch: int, step: str, claim: Claim) -> Verdict:
    """Whether a claim is granted.

    Args:
        before: The document before the claim was appended.
        epoch: For which the effect is.
        step: Which effect it is.
        claim: That was appended.
    """
    if epoch_of(before) != epoch:
        return "newer"
    claims: dict[str, list[dict[str, Any]]] = (before or {}).get("claims") or {}
    earlier = claims.get(claim_key(epoch, step)) or []
    # A later driver of the run takes up its claim; an earlier one, back from a pause, does not.
    for other in earlier:
        if other["claimant"] != claim.claimant or other["driver"] > claim.driver:
            return "taken"
    return "granted"
