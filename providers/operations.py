"""Which operations are not about chats and vectors. Those about pictures and sound may be sent as a form, and what
comes back need not be JSON. Pure.
"""

from __future__ import annotations

IMAGES = ("images.generations", "images.edits", "images.variations")
SPEECH = "audio.speech"
TRANSCRIPTIONS, TRANSLATIONS = "audio.transcriptions", "audio.translations"
HEARD = (TRANSCRIPTIONS, TRANSLATIONS)
RESPONSES = "responses"
# what an upstream says of a prompt, and bills nothing for
COUNT = "count_tokens"
MEDIA = frozenset((*IMAGES, SPEECH, *HEARD))
