"""Refusals that the published document names, each as an example of itself. ``docs/ERRORS.md`` explains them.

The sentences are examples: what a service says may be more exact.
"""

from __future__ import annotations

from services.gateway.problem import Problem

# What any call may meet.
UNAUTHORIZED = Problem(401, "UNAUTHORIZED", "Valid Bearer token required")
ACCOUNT_SUSPENDED = Problem(403, "ACCOUNT_SUSPENDED", "This account is suspended.")
CSRF_INVALID = Problem(
    403, "CSRF_INVALID", "This form is too old, or did not come from our own page. Reload the page and try again."
)
RATE_LIMITED = Problem(429, "RATE_LIMITED", "Too many requests. Try again in 42 seconds.", {"retry_after": 42})
SERVICE_UNAVAILABLE = Problem(503, "SERVICE_UNAVAILABLE", "The library service does not answer. Try again shortly.")

# What is wrong with what was sent.
BAD_REQUEST = Problem(400, "BAD_REQUEST", "The body is not valid JSON.")
BAD_FORM = Problem(400, "BAD_REQUEST", "The form ends before its last boundary.")
IDEMPOTENCY_KEY_INVALID = Problem(
    400, "IDEMPOTENCY_KEY_INVALID", "An Idempotency-Key has at most 255 printable ASCII characters."
)
IDEMPOTENCY_KEY_REUSED = Problem(
    409, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another request. Use a new one."
)
TOO_LARGE = Problem(413, "TOO_LARGE", "The body is larger than 1 MB. Upload files to /api/tracks.")
FILE_TOO_LARGE = Problem(413, "TOO_LARGE", "The file is larger than the 512 MB that are accepted.")
UNSUPPORTED_MEDIA_TYPE = Problem(
    415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json or application/x-www-form-urlencoded."
)
NO_FORM = Problem(415, "UNSUPPORTED_MEDIA_TYPE", "Send the file as multipart/form-data, in a field named file.")
VALIDATION_ERROR = Problem(422, "VALIDATION_ERROR", "Some fields do not fit.", {"track_id": ["can't be blank"]})
NO_FILE = Problem(
    422,
    "VALIDATION_ERROR",
    "Some fields do not fit.",
    {"file": ["can't be blank"]},
    [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}],
)
UPLOAD_STALLED = Problem(408, "REQUEST_TIMEOUT", "Nothing arrived for 60 seconds.")
AUDIO_UNREADABLE = Problem(422, "AUDIO_UNREADABLE", "This is no supported audio file.")
STORAGE_FULL = Problem(507, "STORAGE_FULL", "The server has no room for this. Please try again later.")

USER_ID_NEEDED = Problem(400, "BAD_REQUEST", "user_id required")
FILENAME_INVALID = Problem(400, "BAD_REQUEST", "Invalid filename")
MODEL_INVALID = Problem(400, "BAD_REQUEST", "Invalid model type")
STATION_UNKNOWN = Problem(400, "BAD_REQUEST", "Unknown station. There are: ambient, lofi, shuffle")

# What is not there, or is somebody else's.
ACCESS_DENIED = Problem(403, "ACCESS_DENIED", "This belongs to somebody else.")
ROLE_TOO_LOW = Problem(403, "ROLE_TOO_LOW", "This is for administrators.")
NOT_FOUND = Problem(404, "NOT_FOUND", "Not Found")
TRACK_NOT_FOUND = Problem(404, "TRACK_NOT_FOUND", "There is no such track. Check the id; it may have been deleted.")
JOB_NOT_FOUND = Problem(404, "JOB_NOT_FOUND", "There is no such job. Check the id.")
STEM_NOT_FOUND = Problem(404, "STEM_NOT_FOUND", "There is no such stem. Check the id.")
FILE_NOT_FOUND = Problem(404, "FILE_NOT_FOUND", "There is no such file.")
METHOD_NOT_ALLOWED = Problem(405, "METHOD_NOT_ALLOWED", "Method Not Allowed")
STEMS_LOST = Problem(422, "FILE_NOT_FOUND", "Stem files could not be read. Separate the track again.")
NO_STEMS = Problem(404, "NO_STEMS", "This track has no stems. Start a separation first.")
ANALYSIS_NOT_FOUND = Problem(404, "ANALYSIS_NOT_FOUND", "This track has no analysis. Start one first.")
ACCOUNT_NOT_FOUND = Problem(404, "ACCOUNT_NOT_FOUND", "There is no such account. Check the id.")
TOKEN_NOT_FOUND = Problem(404, "TOKEN_NOT_FOUND", "There is no such token. Check the id.")
CONVERSATION_NOT_FOUND = Problem(404, "CONVERSATION_NOT_FOUND", "There is no such conversation. Check the id.")
WEBHOOK_NOT_FOUND = Problem(404, "WEBHOOK_NOT_FOUND", "There is no such webhook. Check the id.")
DELIVERY_NOT_FOUND = Problem(404, "DELIVERY_NOT_FOUND", "There is no such delivery. Check the id.")
GENERATION_NOT_FOUND = Problem(404, "GENERATION_NOT_FOUND", "There is no such generation. Check the id.")
RATED_FILE_NOT_FOUND = Problem(404, "RATED_FILE_NOT_FOUND", "File not found")
TAGGED_NOT_FOUND = Problem(404, "TAGGED_NOT_FOUND", "Generation not found")
AUDIO_FILE_NOT_FOUND = Problem(404, "AUDIO_FILE_NOT_FOUND", "Audio file not found")
SPECTROGRAM_FAILED = Problem(500, "SPECTROGRAM_FAILED", "Failed to generate spectrogram")
GENERATION_NOT_OWNED = Problem(
    403, "GENERATION_NOT_OWNED", "Only its owner or an administrator may delete a generation."
)
NOT_IN_PLAYLIST = Problem(404, "NOT_IN_PLAYLIST", "The generation is not in this playlist.")
PLAYLIST_NOT_FOUND = Problem(404, "PLAYLIST_NOT_FOUND", "Playlist not found")

# What cannot be done now.
JOB_FINISHED = Problem(409, "JOB_FINISHED", "The job has succeeded already and cannot be cancelled.")
CONVERSATION_FULL = Problem(409, "CONVERSATION_FULL", "This conversation is full. Start a new one.")
WEBHOOK_LIMIT = Problem(409, "WEBHOOK_LIMIT", "An account may have ten webhooks. Delete one first.")
WEBHOOK_DISABLED = Problem(409, "WEBHOOK_DISABLED", "This webhook is disabled. Enable it first.")
DELIVERY_UNDERWAY = Problem(409, "DELIVERY_UNDERWAY", "It is being sent just now. Look again in a minute.")
RANK_TOO_HIGH = Problem(403, "RANK_TOO_HIGH", "Nobody can give a role that is higher than their own.")
OWN_ACCOUNT = Problem(409, "OWN_ACCOUNT", "Your own role and status are for another administrator to change.")
ACCOUNT_CHANGED = Problem(409, "ACCOUNT_CHANGED", "Somebody else changed this account just now. Look at it again.")
LAST_SUPER_ADMIN = Problem(409, "LAST_SUPER_ADMIN", "The last super_admin must stay one. Make another one first.")
TOO_MANY_TOKENS = Problem(409, "TOO_MANY_TOKENS", "This account has all the tokens that it may have. Revoke one first.")
TOO_MANY_PLAYLISTS = Problem(409, "TOO_MANY_PLAYLISTS", "You have as many playlists as there can be. Delete one first.")
PLAYLIST_FULL = Problem(409, "PLAYLIST_FULL", "A playlist holds at most 500 generations. Remove one first.")
TOO_MANY_PENDING = Problem(429, "TOO_MANY_PENDING", "Too many of your jobs are waiting. Wait until one has ended.")
HOURLY_LIMIT = Problem(
    429, "HOURLY_LIMIT", "You have used up your 10 jobs an hour. Try again in 12 minutes.", {"retry_after": 720}
)
QUEUE_FULL = Problem(429, "QUEUE_FULL", "The queue is full. Try again in a few minutes.")
TASK_ID_MISSING = Problem(400, "BAD_REQUEST", "task_id parameter is required")
TASK_NOT_FOUND = Problem(404, "TASK_NOT_FOUND", "You have no such task at lalal.ai. Check the id.")
LALALAI_NOT_CONFIGURED = Problem(503, "LALALAI_NOT_CONFIGURED", "lalal.ai API key not configured.")
LALALAI_UNAUTHORIZED = Problem(503, "LALALAI_UNAUTHORIZED", "lalal.ai does not take your key.")
LALALAI_AWAY = Problem(503, "LALALAI_ERROR", "lalal.ai is busy or away. Try again later.")
LALALAI_BUSY = Problem(429, "LALALAI_ERROR", "lalal.ai is busy or away. Try again later.", {"retry_after": 30})
MODEL_UNAVAILABLE = Problem(503, "MODEL_UNAVAILABLE", "The weights of this model are not installed here.")

# Accounts, links and what lies outside.
USER_ID_FOREIGN = Problem(403, "USER_ID_FOREIGN", "user_id must be that of the token's account, or be left out.")
REGISTRATION_CLOSED = Problem(403, "REGISTRATION_CLOSED", "Registration is closed here. Ask the operator.")
CREDENTIALS_INVALID = Problem(401, "CREDENTIALS_INVALID", "Invalid email or password")
ADDRESS_REFUSED = Problem(422, "ADDRESS_REFUSED", "This address leads to a private server.")
URL_INVALID = Problem(400, "URL_INVALID", "This is no link to a Spotify track, album or playlist.")
SPOTIFY_NOT_FOUND = Problem(404, "SPOTIFY_ERROR", "Spotify has no track with this id. Check it.")
SPOTIFY_BUSY = Problem(429, "SPOTIFY_ERROR", "Spotify takes no more requests just now.", {"retry_after": 30})
SPOTIFY_AWAY = Problem(503, "SPOTIFY_ERROR", "Spotify does not answer. Try again later.")
SPOTIFY_UNAUTHORIZED = Problem(503, "SPOTIFY_UNAUTHORIZED", "Spotify credentials are not configured.")
PUBLIC_URL_NEEDED = Problem(422, "PUBLIC_URL_NEEDED", "Spotify comes back to http://127.0.0.1:4000 alone. Begin there.")
EMAIL_MISSING = Problem(422, "EMAIL_MISSING", "Spotify told no mail address that can be used.")
NOTHING_TO_DOWNLOAD = Problem(422, "NOTHING_TO_DOWNLOAD", "Nothing behind this link can be downloaded.")
