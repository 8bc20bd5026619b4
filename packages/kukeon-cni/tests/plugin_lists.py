"""Lists of recording plugins, and what they are made to answer."""

import json

TYPES = ("first", "second", "third")
FAILURE = json.dumps({"cniVersion": "1.0.0", "code": 7, "msg": "no luck"})
