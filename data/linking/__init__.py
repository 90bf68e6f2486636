"""Records that carry a name in place of a code find their entity: by that name, by a scored likeness, by a decision.

See docs/linking.md. The steps are modules of their own: `names` (what a name is made of, and which names meet), `model`
(how likely a pair is one entity), `timeline` and `choices` (from which day on a row belongs to which entity),
`decisions` (what persons said), `linkage` (all of it, for the records of a city) and `review` (the list that waits).
"""

from data.linking.linkage import link_parts, linkage_fingerprint

__all__ = ["link_parts", "linkage_fingerprint"]
