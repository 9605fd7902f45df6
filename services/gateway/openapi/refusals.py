"""Examples of the errors that the OpenAPI document lists. ``docs/ERRORS.md`` explains them.

The messages are examples. Actual responses can contain more details.
"""

from __future__ import annotations

from services.gateway.http.problems import Problem

# Any request.
UNAUTHORIZED = Problem(401, "UNAUTHORIZED", "Valid Bearer token required")
ACCOUNT_SUSPENDED = Problem(403, "ACCOUNT_SUSPENDED", "This account is suspended.")
CSRF_INVALID = Problem(
    403, "CSRF_INVALID", "The CSRF token is missing, invalid or expired. Reload the page and try again."
)
ORIGIN_NOT_ALLOWED = Problem(
    403,
    "ORIGIN_NOT_ALLOWED",
    "Pages of other sites need an API token. Send one, or ask the operator to add the site to SOUNDWRIGHT_ALLOWED_ORIGINS.",
)
RATE_LIMITED = Problem(429, "RATE_LIMITED", "Too many requests. Try again in 42 seconds.", {"retry_after": 42})
SERVICE_UNAVAILABLE = Problem(
    503, "SERVICE_UNAVAILABLE", "The library service does not answer at the moment. Please try again shortly."
)

# Invalid requests.
BAD_REQUEST = Problem(400, "BAD_REQUEST", "The body is not valid JSON.")
BAD_FORM = Problem(400, "BAD_REQUEST", "The form ends before its last boundary.")
IDEMPOTENCY_KEY_INVALID = Problem(
    400, "IDEMPOTENCY_KEY_INVALID", "The Idempotency-Key must consist of at most 255 printable ASCII characters."
)
IDEMPOTENCY_KEY_REUSED = Problem(
    409, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another request. Use a new key for a new request."
)
TOO_LARGE = Problem(413, "TOO_LARGE", "The body is larger than 1 MB. Upload files to /api/tracks.")
FILE_TOO_LARGE = Problem(413, "TOO_LARGE", "The file exceeds the limit of 512 MB.")
UNSUPPORTED_MEDIA_TYPE = Problem(
    415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json or application/x-www-form-urlencoded."
)
NO_FORM = Problem(415, "UNSUPPORTED_MEDIA_TYPE", "Send the file as multipart/form-data, in a field named file.")
VALIDATION_ERROR = Problem(422, "VALIDATION_ERROR", "Some fields are invalid.", {"track_id": ["can't be blank"]})
NO_FILE = Problem(
    422,
    "VALIDATION_ERROR",
    "Some fields are invalid.",
    {"file": ["can't be blank"]},
    [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}],
)
UPLOAD_STALLED = Problem(408, "REQUEST_TIMEOUT", "No data arrived for 60 seconds.")
AUDIO_UNREADABLE = Problem(
    422,
    "AUDIO_UNREADABLE",
    "This is not a supported audio file. The supported formats are WAV, FLAC, MP3, Ogg Vorbis, Opus, M4A/AAC, AIFF, CAF and WebM/Matroska.",
)
AUDIO_TOO_LARGE = Problem(
    422,
    "AUDIO_TOO_LARGE",
    "The recording has more than 1500000000 samples in all channels. Shorten it, or export it with a lower sample rate or "
    "fewer channels.",
)
AUDIO_TOO_COMPLEX = Problem(
    422,
    "AUDIO_TOO_COMPLEX",
    "Reading the file takes more time or memory than the server allows. Export the audio again, without its tags.",
)
STORAGE_FULL = Problem(
    507, "STORAGE_FULL", "The server has no disk space left for this file. Free some space and try again."
)
QUOTA_EXCEEDED = Problem(
    413,
    "QUOTA_EXCEEDED",
    "Your storage quota of 1000000000 bytes has no room for 52428800 more bytes; 980000000 bytes are in use. "
    "Delete tracks or clips, or ask an administrator for a larger quota.",
)

DIRECT_UPLOADS_UNAVAILABLE = Problem(
    409,
    "DIRECT_UPLOADS_UNAVAILABLE",
    "This server takes no uploads in parts. Upload the file with POST /api/tracks.",
)
TOO_MANY_UPLOADS = Problem(409, "TOO_MANY_UPLOADS", "You can have 20 unfinished uploads. Complete or abort one first.")
UPLOAD_NOT_FOUND = Problem(404, "UPLOAD_NOT_FOUND", "There is no such upload. Start it again.")
UPLOAD_INCOMPLETE = Problem(
    409,
    "UPLOAD_INCOMPLETE",
    "2 of 18 parts have not arrived, among them part 4. Send them, then complete the upload again.",
)

USER_ID_NEEDED = Problem(400, "BAD_REQUEST", "user_id required")
FILENAME_INVALID = Problem(400, "BAD_REQUEST", "Invalid filename")
MODEL_INVALID = Problem(400, "BAD_REQUEST", "Invalid model type")
STATION_UNKNOWN = Problem(400, "BAD_REQUEST", "Unknown station. The stations are: ambient, lofi, shuffle")

# Missing objects and permissions.
ACCESS_DENIED = Problem(403, "ACCESS_DENIED", "This track belongs to another account.")
ROLE_TOO_LOW = Problem(403, "ROLE_TOO_LOW", "This operation requires the role of an administrator.")
NOT_FOUND = Problem(404, "NOT_FOUND", "Not Found")
TRACK_NOT_FOUND = Problem(404, "TRACK_NOT_FOUND", "There is no such track. Check the ID; it may have been deleted.")
JOB_NOT_FOUND = Problem(404, "JOB_NOT_FOUND", "There is no such job. Check the ID.")
STEM_NOT_FOUND = Problem(404, "STEM_NOT_FOUND", "There is no such stem. Check the ID.")
SEGMENT_NOT_FOUND = Problem(404, "SEGMENT_NOT_FOUND", "The recording has the segments 0 to 40.")
FILE_NOT_FOUND = Problem(404, "FILE_NOT_FOUND", "There is no such file.")
METHOD_NOT_ALLOWED = Problem(405, "METHOD_NOT_ALLOWED", "Method Not Allowed")
STEMS_LOST = Problem(422, "FILE_NOT_FOUND", "Stem files could not be read. Separate the track again.")
NO_STEMS = Problem(404, "NO_STEMS", "This track has no stems. Start a separation first.")
ANALYSIS_NOT_FOUND = Problem(404, "ANALYSIS_NOT_FOUND", "This track has not been analysed. Start an analysis first.")
ACCOUNT_NOT_FOUND = Problem(404, "ACCOUNT_NOT_FOUND", "There is no such account. Check the ID.")
TOKEN_NOT_FOUND = Problem(404, "TOKEN_NOT_FOUND", "There is no such token. Check the ID.")
SESSION_NOT_FOUND = Problem(404, "SESSION_NOT_FOUND", "There is no such session. Check the ID.")
SESSION_NEEDED = Problem(
    403,
    "SESSION_NEEDED",
    "Only a browser that is logged in can create a token here. Send your email address and password to POST /api/tokens.",
)
PASSWORD_NEEDED = Problem(
    422,
    "PASSWORD_NEEDED",
    "Enter your current password, or log in again first.",
    {"current_password": ["is required, because your login is not recent"]},
)
CONVERSATION_NOT_FOUND = Problem(404, "CONVERSATION_NOT_FOUND", "There is no such conversation. Check the ID.")
WEBHOOK_NOT_FOUND = Problem(404, "WEBHOOK_NOT_FOUND", "There is no such webhook. Check the ID.")
DELIVERY_NOT_FOUND = Problem(404, "DELIVERY_NOT_FOUND", "There is no such delivery. Check the ID.")
GENERATION_NOT_FOUND = Problem(404, "GENERATION_NOT_FOUND", "There is no such generation. Check the ID.")
RATED_FILE_NOT_FOUND = Problem(404, "RATED_FILE_NOT_FOUND", "File not found")
TAGGED_NOT_FOUND = Problem(404, "TAGGED_NOT_FOUND", "Generation not found")
AUDIO_FILE_NOT_FOUND = Problem(404, "AUDIO_FILE_NOT_FOUND", "Audio file not found")
SPECTROGRAM_FAILED = Problem(500, "SPECTROGRAM_FAILED", "Failed to generate spectrogram")
GENERATION_NOT_OWNED = Problem(
    403, "GENERATION_NOT_OWNED", "Only its owner or an administrator may delete a generation."
)
NOT_IN_PLAYLIST = Problem(404, "NOT_IN_PLAYLIST", "The generation is not in this playlist.")
PLAYLIST_NOT_FOUND = Problem(404, "PLAYLIST_NOT_FOUND", "Playlist not found")

# Conflicts and limits.
AUDIO_NOT_READY = Problem(
    409,
    "AUDIO_NOT_READY",
    "This track has no audio yet. Wait until its download is completed, or start the download again if it failed.",
)
TRACKS_NOT_FOUND = Problem(
    404,
    "TRACK_NOT_FOUND",
    "You have no such tracks: 0f8fad5b-d9cb-469f-a165-70867728950e. Check the IDs; they may have been deleted.",
    {"track_ids": ["0f8fad5b-d9cb-469f-a165-70867728950e"]},
)
AUDIOS_NOT_READY = Problem(
    409,
    "AUDIO_NOT_READY",
    "These tracks have no audio yet: 0f8fad5b-d9cb-469f-a165-70867728950e. Wait until their downloads have ended.",
    {"track_ids": ["0f8fad5b-d9cb-469f-a165-70867728950e"]},
)
JOB_FINISHED = Problem(409, "JOB_FINISHED", "The job has succeeded already and cannot be cancelled.")
JOB_NOT_FAILED = Problem(
    409,
    "JOB_NOT_FAILED",
    "Only a failed or cancelled job can start again. Wait until this job ends, or start a new one.",
)
CONVERSATION_FULL = Problem(409, "CONVERSATION_FULL", "A conversation can have 200 messages. Start a new conversation.")
WEBHOOK_LIMIT = Problem(409, "WEBHOOK_LIMIT", "An account can have 10 webhooks. Delete one that you no longer need.")
WEBHOOK_DISABLED = Problem(409, "WEBHOOK_DISABLED", "This webhook is disabled. Enable it first.")
DELIVERY_UNDERWAY = Problem(409, "DELIVERY_UNDERWAY", "This delivery is being sent. Try again in a minute.")
RANK_TOO_HIGH = Problem(403, "RANK_TOO_HIGH", "You cannot assign the role super_admin, which is higher than your own.")
OWN_ACCOUNT = Problem(
    409, "OWN_ACCOUNT", "You cannot change your own role or status. Ask another administrator to change it."
)
ACCOUNT_CHANGED = Problem(
    409, "ACCOUNT_CHANGED", "Another administrator changed this account. Reload it and try again."
)
LAST_SUPER_ADMIN = Problem(409, "LAST_SUPER_ADMIN", "This is the last super_admin. Promote another account first.")
TOO_MANY_TOKENS = Problem(409, "TOO_MANY_TOKENS", "An account can have 50 API tokens. Revoke one first.")
TOO_MANY_PLAYLISTS = Problem(409, "TOO_MANY_PLAYLISTS", "You can have 100 playlists. Delete one first.")
PLAYLIST_FULL = Problem(
    409, "PLAYLIST_FULL", "A playlist can have 500 generations. Remove one first, or create another playlist."
)
TOO_MANY_PENDING = Problem(
    429,
    "TOO_MANY_PENDING",
    "You have 5 unfinished jobs; 5 are allowed at a time. Wait until one is done, or cancel one that waits.",
    {"retry_after": 30},
)
TOO_MANY_CONVERSIONS = Problem(
    429,
    "TOO_MANY_CONVERSIONS",
    "4 converted files of yours are not downloaded completely yet. Finish or cancel a download first.",
    {"retry_after": 30},
)
HOURLY_LIMIT = Problem(
    429, "HOURLY_LIMIT", "You have used up your 10 jobs an hour. Try again in 12 minutes.", {"retry_after": 720}
)
QUEUE_FULL = Problem(
    503, "QUEUE_FULL", "The queue is full: 100 jobs are waiting or in work. Try again in a few minutes."
)
TASK_ID_MISSING = Problem(400, "BAD_REQUEST", "task_id parameter is required")
TASK_NOT_FOUND = Problem(404, "TASK_NOT_FOUND", "You have no such task at lalal.ai. Check the ID.")
LALALAI_NOT_CONFIGURED = Problem(
    503,
    "LALALAI_NOT_CONFIGURED",
    "lalal.ai API key not configured. Enter your own key in your settings, or use the engine local.",
)
LALALAI_UNAUTHORIZED = Problem(
    503, "LALALAI_UNAUTHORIZED", "lalal.ai does not accept your key. Enter a valid key in your settings."
)
LALALAI_AWAY = Problem(503, "LALALAI_ERROR", "lalal.ai is unavailable (status 503). Try again later.")
LALALAI_BUSY = Problem(
    429, "LALALAI_ERROR", "lalal.ai is unavailable (status 429). Try again later.", {"retry_after": 30}
)
MODEL_UNKNOWN = Problem(404, "MODEL_UNKNOWN", "There is no model 'x'. Use one of: htdemucs, spleeter.")
FETCH_UNDERWAY = Problem(409, "FETCH_UNDERWAY", "The model 'htdemucs' is being fetched. Wait until it is done.")
MODEL_UNAVAILABLE = Problem(
    503,
    "MODEL_UNAVAILABLE",
    "The weights of the model 'htdemucs' are not available: the folder of models does not exist. "
    "Run `make models` on a machine with network access, or set the folder of models.",
)
WEIGHTS_CHANGED = Problem(
    503,
    "WEIGHTS_CHANGED",
    "The file 955717e8.safetensors of the model 'htdemucs' is damaged or was changed: its digest is 0a1b..., not d9fa.... "
    "Delete the file and run `make models MODEL=htdemucs`; if it is your own checkpoint, import it again.",
)

# Accounts, links and external services.
USER_ID_FOREIGN = Problem(403, "USER_ID_FOREIGN", "user_id must be the ID of your account, or be omitted.")
REGISTRATION_CLOSED = Problem(403, "REGISTRATION_CLOSED", "Registration is closed. Ask the operator for an account.")
REGISTRATION_NEEDED = Problem(
    403, "REGISTRATION_NEEDED", "Guests cannot do this. Register first. Your tracks and jobs stay yours."
)
GUESTS_CLOSED = Problem(403, "GUESTS_CLOSED", "This server has no guest accounts. Log in, or create an account.")
GUEST_ACCOUNT = Problem(409, "GUEST_ACCOUNT", "Guests get a role when they register.")
CREDENTIALS_INVALID = Problem(401, "CREDENTIALS_INVALID", "Invalid email or password")
ADDRESS_REFUSED = Problem(
    422, "ADDRESS_REFUSED", "The address is not a public web server. Use the address of a public website."
)
URL_INVALID = Problem(400, "URL_INVALID", "Only links to Spotify tracks, albums and playlists are supported.")
SPOTIFY_NOT_FOUND = Problem(404, "SPOTIFY_ERROR", "Spotify has no track with this id. Check it.")
SPOTIFY_BUSY = Problem(
    429, "SPOTIFY_ERROR", "Spotify limits the requests of this server. Try again later.", {"retry_after": 30}
)
SPOTIFY_AWAY = Problem(503, "SPOTIFY_ERROR", "Spotify is unavailable. Try again in a minute.")
SPOTIFY_UNAUTHORIZED = Problem(
    503,
    "SPOTIFY_UNAUTHORIZED",
    "Spotify credentials are not configured. Ask the operator to set SOUNDWRIGHT_SPOTIFY_CLIENT_ID and _SECRET.",
)
PUBLIC_URL_NEEDED = Problem(
    422,
    "PUBLIC_URL_NEEDED",
    "Spotify redirects only to http://127.0.0.1:4000. Open Soundwright at that address, or ask the operator to set "
    "SOUNDWRIGHT_PUBLIC_URL to the address that browsers use.",
)
EMAIL_MISSING = Problem(
    422,
    "EMAIL_MISSING",
    "Spotify sent no valid email address, which a new account needs. Register with your email address first, then connect "
    "Spotify in the settings.",
)
NOT_DOWNLOADED = Problem(
    422, "NOT_DOWNLOADED", "This track was not downloaded, so it cannot be downloaded again. Send a url."
)
NOTHING_TO_DOWNLOAD = Problem(422, "NOTHING_TO_DOWNLOAD", "Nothing behind this link can be downloaded from Spotify.")
MEDIA_UNSUPPORTED = Problem(
    422,
    "MEDIA_UNSUPPORTED",
    "This address has no recording that can be downloaded. Use the address of a single track or audio file.",
)
MEDIA_UNAVAILABLE = Problem(
    422,
    "MEDIA_UNAVAILABLE",
    "The recording is not available: it was removed, is private, or is blocked in the server's country.",
)
PREVIEW_TOO_LARGE = Problem(413, "TOO_LARGE", "The recording exceeds the maximum size.")
FETCH_TIMEOUT = Problem(422, "FETCH_TIMEOUT", "The site sends the recording too slowly. Try another source.")
FETCH_INTERRUPTED = Problem(
    503, "FETCH_INTERRUPTED", "The site closed the connection or returned an error. Try again later."
)
TOO_MANY_PREVIEWS = Problem(
    429, "TOO_MANY_PREVIEWS", "The server is reading many links. Try again in a minute.", {"retry_after": 60}
)
