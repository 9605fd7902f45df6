"""Access to objects by their owner, and the errors for objects that are missing or belong to another account."""

from soundwright.kit.security.identity import Principal, is_anonymous_id


def owns(principal: Principal, owner_id: str, creator_key: str | None) -> bool:
    """Return whether the caller may change an object, delete it, or read it although it is private.

    Everybody can send the ID of an anonymous owner, so an anonymous caller must also hold the secret of the object's creator.

    Args:
        creator_key: the hash of that secret; None: the owner has an account.
    """
    return principal.id == owner_id and creator_key in (None, principal.creator_key)


def may_see(principal: Principal, owner_id: str) -> bool:
    """Return whether the caller may see an object.

    Owners see their own objects, and services see all. Objects of anonymous callers have random IDs and are visible to
    everyone who knows the ID.
    """
    return principal.is_service or principal.id == owner_id or is_anonymous_id(owner_id)


def listed_creator(principal: Principal) -> str | None:
    """Return the ``creator_key`` of what a list shows to the caller; None: all that its ID owns.

    Several people may have the ID of an anonymous caller: that of their common address, or a name that they chose.
    """
    return principal.creator_key if principal.is_anonymous else None
