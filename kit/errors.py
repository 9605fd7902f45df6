"""The catalogue of errors: each error that a component raises is declared here once.

``raise errors.TRACK_NOT_FOUND()`` raises one. docs/ERRORS.md and the errors in the OpenAPI document come from this module.
"""

from collections.abc import Iterable

from soundwright.kit.app_error import DATA_DAMAGED_STATUS as DATA_DAMAGED_STATUS
from soundwright.kit.app_error import AppError as AppError
from soundwright.kit.app_error import Code as Code
from soundwright.kit.app_error import ErrorType as ErrorType
from soundwright.kit.app_error import suppressed as suppressed

_UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_IN_A_MINUTE = "Try again in a minute."

# Requests.
BAD_REQUEST = ErrorType(
    Code.INVALID_ARGUMENT,
    "The body is not valid JSON.",
    note="The body or the form is malformed, or ends too early. JSON can have 2,000 values, a form 200 fields and one file.",
)
FORM_INVALID = ErrorType(Code.INVALID_ARGUMENT, "The form ends before its last boundary.", reason="BAD_REQUEST")
MALFORMED_REQUEST = ErrorType(Code.INVALID_ARGUMENT, "The request is not valid HTTP/1.1.")
PATH_INVALID = ErrorType(Code.INVALID_ARGUMENT, "The path contains control characters. Remove them.")
IDEMPOTENCY_KEY_INVALID = ErrorType(
    Code.INVALID_ARGUMENT, "The Idempotency-Key must consist of at most 255 printable ASCII characters."
)
IDEMPOTENCY_KEY_REUSED = ErrorType(
    Code.EXISTS, "This Idempotency-Key was used for another request. Use a new key for a new request."
)
VALIDATION_ERROR = ErrorType(
    Code.UNPROCESSABLE,
    "Some fields are invalid.",
    note="`details` names the fields.",
    example={"details": {"track_id": ["can't be blank"]}},
)
FILE_MISSING = ErrorType(
    Code.UNPROCESSABLE,
    "Send the recording as a multipart form field named file.",
    reason="VALIDATION_ERROR",
    example={"details": {"file": ["can't be blank"]}},
)
FIELD_INVALID = ErrorType(Code.INVALID_ARGUMENT, "A field cannot be changed, or its value is invalid.")
UNSUPPORTED_MEDIA_TYPE = ErrorType(
    Code.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json or application/x-www-form-urlencoded."
)
FORM_NEEDED = ErrorType(
    Code.UNSUPPORTED_MEDIA_TYPE,
    "Send the file as multipart/form-data, in a field named file.",
    reason="UNSUPPORTED_MEDIA_TYPE",
)
TOO_LARGE = ErrorType(
    Code.TOO_LARGE,
    "The body is larger than 1 MB. Send files as multipart/form-data, or shorten the body.",
    note="The limit is checked before and during an upload. Bodies can have 1 MB, URL-encoded forms 64 KB, files "
    "`SOUNDWRIGHT_MAX_UPLOAD_BYTES`.",
)
FILE_TOO_LARGE = ErrorType(
    Code.TOO_LARGE, "The file exceeds the limit of {limit_mb:.0f} MB.", reason="TOO_LARGE", example={"limit_mb": 512}
)
RECORDING_TOO_LARGE = ErrorType(Code.TOO_LARGE, "The recording exceeds the maximum size.", reason="TOO_LARGE")
URL_TOO_LONG = ErrorType(
    Code.URL_TOO_LONG, "The URL is too long. Send long parameters in the body.", note="It can have 8 KB."
)
HEADERS_TOO_LARGE = ErrorType(
    Code.HEADERS_TOO_LARGE,
    "The headers of the request are too large, or too many. Send fewer or shorter headers and cookies.",
    note="The limits are 64 KB and 100 headers, and 64 KB of chunk extensions and trailers.",
)
REQUEST_TIMEOUT = ErrorType(
    Code.CLIENT_TIMEOUT,
    "The request did not arrive in time. Send it again.",
    note="The headers did not arrive within `SOUNDWRIGHT_HEAD_SECONDS`, no data of the body arrived for a minute, or fewer "
    "than 1,000 bytes per second. For uploads, `SOUNDWRIGHT_UPLOAD_IDLE_SECONDS` applies.",
)
TOO_MANY_CONNECTIONS = ErrorType(
    Code.RATE_LIMITED,
    "Your address has too many open connections. Close some of them.",
    note="The limit is `SOUNDWRIGHT_CONNECTION_ADDRESS_LIMIT`.",
)
SERVER_FULL = ErrorType(
    Code.UNAVAILABLE,
    f"The server has too many open connections. {_IN_A_MINUTE}",
    note="The limit is `SOUNDWRIGHT_CONNECTION_LIMIT`.",
)
NOT_FOUND = ErrorType(Code.NOT_FOUND, "Not Found", note="The path does not exist.")
METHOD_NOT_ALLOWED = ErrorType(
    Code.METHOD_NOT_ALLOWED, "Method Not Allowed", note="The path exists. `Allow` lists its methods."
)
PRECONDITION_FAILED = ErrorType(
    Code.PRECONDITION_FAILED,
    "The file has changed. Request it again, without the condition.",
    note="It is not the one that `If-Match` or `If-Unmodified-Since` names.",
)
HOST_NOT_ALLOWED = ErrorType(
    Code.WRONG_HOST,
    "This server does not have this host name. Use its address, or ask the operator to add the name to "
    "SOUNDWRIGHT_ALLOWED_HOSTS.",
)
RATE_LIMITED = ErrorType(
    Code.RATE_LIMITED,
    "Too many requests. Try again in {retry_after} seconds.",
    note="A batch counts as one request for each track. See the `X-RateLimit-*` headers.",
    example={"retry_after": 42},
)
INTERNAL = ErrorType(
    Code.INTERNAL,
    f"Something went wrong on our side. {_IN_A_MINUTE}",
    note="The log contains the error under the request ID.",
)
STOPPING = ErrorType(Code.UNAVAILABLE, f"The server is restarting. {_IN_A_MINUTE}")
CANCELLED = ErrorType(Code.CANCELLED, "The client disconnected.", note="A cancelled job has it, too.")
SERVICE_UNAVAILABLE = ErrorType(
    Code.UNAVAILABLE,
    f"The {{component}} service does not answer at the moment. {_IN_A_MINUTE}",
    example={"component": "library"},
)

# Callers.
UNAUTHORIZED = ErrorType(
    Code.UNAUTHENTICATED,
    "Valid Bearer token required",
    note="The token is missing, unknown or revoked, or the session has ended.",
)
SESSION_ENDED = ErrorType(Code.UNAUTHENTICATED, "Your session has ended. Log in again.", reason="UNAUTHORIZED")
TOKEN_EXPIRED = ErrorType(
    Code.UNAUTHENTICATED, "The Bearer token has expired. Create another one.", reason="UNAUTHORIZED"
)
CREDENTIALS_INVALID = ErrorType(
    Code.UNAUTHENTICATED, "Invalid email or password", note="No account has this email address and password."
)
ACCESS_DENIED = ErrorType(Code.PERMISSION_DENIED, "This {what} belongs to another account.", example={"what": "track"})
CSRF_INVALID = ErrorType(
    Code.PERMISSION_DENIED,
    "The CSRF token is missing, invalid or expired. Reload the page and try again.",
    note="A write request of a browser session, or a form, needs a token, and must come from a page of this server.",
)
PAGE_NOT_OURS = ErrorType(
    Code.PERMISSION_DENIED,
    "This request does not come from a page of this server. Open {public_address}. If people open it at another address, "
    "set SOUNDWRIGHT_PUBLIC_URL to that, or let the proxy pass Host on.",
    reason="CSRF_INVALID",
    example={"public_address": "https://music.example"},
)
COOKIE_MISSING = ErrorType(
    Code.PERMISSION_DENIED,
    "The browser sent no cookie of this page. Allow cookies, open {public_address}, and try again.",
    reason="CSRF_INVALID",
    example={"public_address": "https://music.example"},
)
ORIGIN_NOT_ALLOWED = ErrorType(
    Code.PERMISSION_DENIED,
    "Pages of other sites need an API token. Send one, or ask the operator to add the site to SOUNDWRIGHT_ALLOWED_ORIGINS.",
)
ACCOUNT_SUSPENDED = ErrorType(
    Code.PERMISSION_DENIED, "This account is {status}.", note="Suspended or banned.", example={"status": "suspended"}
)
ACCOUNT_NEEDED = ErrorType(Code.PERMISSION_DENIED, "API tokens require an account. Log in first.")
REGISTRATION_NEEDED = ErrorType(
    Code.PERMISSION_DENIED,
    "Guests cannot do this. Register first. Your tracks and jobs stay yours.",
    note="API tokens, webhooks, connections, passwords and lalal.ai need a registered account.",
)
REGISTRATION_CLOSED = ErrorType(Code.PERMISSION_DENIED, "Registration is closed. Ask the operator for an account.")
GUESTS_CLOSED = ErrorType(
    Code.PERMISSION_DENIED,
    "This server has no guest accounts. Log in, or create an account.",
    note="Open access is off.",
)
SESSION_NEEDED = ErrorType(
    Code.PERMISSION_DENIED,
    "Only a browser that is logged in can create a token here. Send your email address and password to POST /api/tokens.",
)
ROLE_TOO_LOW = ErrorType(Code.PERMISSION_DENIED, "This operation requires the role of an administrator.")
RANK_TOO_HIGH = ErrorType(
    Code.PERMISSION_DENIED,
    "You cannot assign the role {role}. It has rights that your own role lacks.",
    note="Or the account ranks higher than the caller.",
    example={"role": "super_admin"},
)
USER_ID_FOREIGN = ErrorType(
    Code.PERMISSION_DENIED,
    "user_id must be the ID of your account, or be omitted.",
    note="Sound Box: the request has a token and another `user_id`, or no token and that of an account.",
)

# Accounts.
ACCOUNT_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such account. Check the ID.")
TOKEN_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such token. Check the ID.")
SESSION_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such session. Check the ID.")
CONNECTION_NOT_FOUND = ErrorType(
    Code.NOT_FOUND, "There is no such connection. Check the ID.", note="Only between services."
)
LINK_INVALID = ErrorType(Code.NOT_FOUND, "This link is invalid, expired, or was already used. Request a new one.")
ALREADY_REGISTERED = ErrorType(Code.EXISTS, "This account is already registered.")
EMAIL_TAKEN = ErrorType(
    Code.EXISTS,
    "An account with this email address already exists.",
    note="With Spotify, the browser is redirected to the login. Log in, then connect Spotify in the settings.",
)
OWN_ACCOUNT = ErrorType(
    Code.CONFLICT, "You cannot change your own role or status. Ask another administrator to change it."
)
LAST_SUPER_ADMIN = ErrorType(Code.CONFLICT, "This is the last super_admin. Promote another account first.")
GUEST_ACCOUNT = ErrorType(Code.CONFLICT, "Guests get a role when they register.")
ACCOUNT_CHANGED = ErrorType(Code.STALE, "Another administrator changed this account. Reload it and try again.")
TOO_MANY_TOKENS = ErrorType(
    Code.CONFLICT, "An account can have {limit} API tokens. Revoke one first.", example={"limit": 50}
)
PASSWORD_NEEDED = ErrorType(
    Code.UNPROCESSABLE,
    "Enter your current password, or log in again first.",
    note="The login was more than 10 minutes ago.",
    example={"details": {"current_password": ["is required, because your login is not recent"]}},
)
SECRET_UNREADABLE = ErrorType(
    Code.NOT_PROVISIONED,
    "A stored secret cannot be decrypted, because the signing key of the platform has changed. Enter the secret again.",
)

# Tracks and their files.
TRACK_NOT_FOUND = ErrorType(
    Code.NOT_FOUND,
    "There is no such track. Check the ID; it may have been deleted.",
    note="Also if the track belongs to another user.",
)
TRACKS_NOT_FOUND = ErrorType(
    Code.NOT_FOUND,
    "You have no such tracks: {names}. Check the IDs; they may have been deleted.",
    reason="TRACK_NOT_FOUND",
    note="`track_ids` lists the tracks.",
    example={"names": _UUID, "details": {"track_ids": [_UUID]}},
)
SETLIST_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such setlist. Check the ID; it may have been deleted.")
TOO_MANY_SETLISTS = ErrorType(
    Code.CONFLICT, "An account can have {limit} setlists. Delete one first.", example={"limit": 100}
)
TRACK_LINK_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such link. Check the ID; it may have expired.")
TRACK_LINK_ENDED = ErrorType(
    Code.NOT_FOUND, "This link has expired or was revoked. Ask the person who sent it for a new one."
)
TOO_MANY_TRACK_LINKS = ErrorType(
    Code.CONFLICT, "A track can have {limit} links. Revoke one first.", example={"limit": 20}
)
STEM_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such stem. Check the ID.")
FILE_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such file.")
SEGMENT_NOT_FOUND = ErrorType(Code.NOT_FOUND, "The recording has the segments 0 to {last}.", example={"last": 40})
NO_STEMS = ErrorType(Code.NOT_FOUND, "This track has no stems. Start a separation first.")
STEMS_LOST = ErrorType(
    Code.UNPROCESSABLE, "Stem files could not be read. Separate the track again.", reason="FILE_NOT_FOUND"
)
ANALYSIS_NOT_FOUND = ErrorType(Code.NOT_FOUND, "This track has not been analysed. Start an analysis first.")
AUDIO_NOT_READY = ErrorType(
    Code.CONFLICT,
    "This track has no audio yet. Wait until its download is completed, or start the download again if it failed.",
    note="See `download_status` and `download_error` of the track.",
)
AUDIOS_NOT_READY = ErrorType(
    Code.CONFLICT,
    "These tracks have no audio yet: {names}. Wait until their downloads have ended.",
    reason="AUDIO_NOT_READY",
    note="`track_ids` lists the tracks.",
    example={"names": _UUID, "details": {"track_ids": [_UUID]}},
)
AUDIO_EXISTS = ErrorType(Code.EXISTS, "This track has audio already.")
QUOTA_EXCEEDED = ErrorType(
    Code.TOO_LARGE,
    "Your storage quota of {limit_bytes} has no room for {required_bytes} more; {used_bytes} are in use. "
    "Delete tracks or clips, or ask an administrator for a larger quota.",
    note="Nothing is stored. A job whose outputs do not fit fails with this code.",
    example={"limit_bytes": 1_000_000_000, "required_bytes": 52_428_800, "used_bytes": 980_000_000},
)
TOO_MANY_CONVERSIONS = ErrorType(
    Code.RATE_LIMITED,
    "{count} converted files of yours are not downloaded completely yet. Finish or cancel a download first.",
    note="Converted files, mixes, segments and waveforms count, those of the caller and those of all callers.",
    example={"count": 4, "retry_after": 30},
)

# Uploads in parts.
UPLOAD_NOT_FOUND = ErrorType(
    Code.NOT_FOUND, "There is no such upload. Start it again.", note="It may have ended or expired."
)
DIRECT_UPLOADS_UNAVAILABLE = ErrorType(
    Code.CONFLICT,
    "This server takes no uploads in parts. Upload the file with POST /api/tracks.",
    note="The file store has no public address.",
)
TOO_MANY_UPLOADS = ErrorType(
    Code.CONFLICT, "You can have {limit} unfinished uploads. Complete or abort one first.", example={"limit": 20}
)
UPLOAD_INCOMPLETE = ErrorType(
    Code.CONFLICT,
    "{missing_count} of {part_count} parts have not arrived, among them part {first_missing}. Send them, then complete the "
    "upload again.",
    note="`uploaded_parts` of the upload lists those that have.",
    example={"missing_count": 2, "part_count": 18, "first_missing": 4},
)

# Audio files. The pipeline dialect returns 400 instead of 422.
AUDIO_EMPTY = ErrorType(Code.UNPROCESSABLE, "The file contains no audio. Check it and upload it again.")
PICTURE_UNREADABLE = ErrorType(
    Code.UNPROCESSABLE, "This picture cannot be read. Send a JPEG, PNG or WebP picture of at most 50 megapixels."
)
AUDIO_UNREADABLE = ErrorType(
    Code.UNPROCESSABLE,
    "{what} The supported formats are {formats}.",
    example={
        "what": "This is not a supported audio file.",
        "formats": "WAV, FLAC, MP3, Ogg Vorbis, Opus, M4A/AAC, AIFF, AU, CAF and WebM/Matroska",
    },
)
RECORDING_UNREADABLE = ErrorType(
    Code.UNPROCESSABLE, "The downloaded file is not a supported audio file.", reason="AUDIO_UNREADABLE"
)
AUDIO_FORMAT_NOT_ALLOWED = ErrorType(
    Code.UNPROCESSABLE,
    "The file's content is {container}, which is not accepted here. Use one of: {allowed}.",
    example={"container": "FLAC", "allowed": "WAV, MP3"},
)
AUDIO_TOO_LONG = ErrorType(
    Code.UNPROCESSABLE,
    "The recording is longer than the limit of {max_seconds:g} seconds. Shorten it.",
    note="The limit is `SOUNDWRIGHT_MAX_AUDIO_SECONDS`.",
    example={"max_seconds": 1800},
)
RECORDING_TOO_LONG = ErrorType(Code.UNPROCESSABLE, "The recording exceeds the maximum length.", reason="AUDIO_TOO_LONG")
AUDIO_TOO_LARGE = ErrorType(
    Code.UNPROCESSABLE,
    "The recording has more than {max_sample_count} samples in all channels. Shorten it, or export it with a lower sample "
    "rate or fewer channels.",
    note="The limit is `SOUNDWRIGHT_MAX_AUDIO_SAMPLE_COUNT`.",
    example={"max_sample_count": 1_500_000_000},
)
AUDIO_TOO_COMPLEX = ErrorType(
    Code.UNPROCESSABLE,
    "Reading the file takes more time or memory than the server allows. Export the audio again, without its tags.",
)
AUDIO_RATE_UNSUPPORTED = ErrorType(
    Code.UNPROCESSABLE,
    "A sample rate of {sample_rate_hz} Hz is not supported. Use {min_sample_rate_hz} to {max_sample_rate_hz} Hz.",
    example={"sample_rate_hz": 2000, "min_sample_rate_hz": 4000, "max_sample_rate_hz": 384_000},
)
AUDIO_CHANNELS_UNSUPPORTED = ErrorType(
    Code.UNPROCESSABLE,
    "A recording with {channel_count} channels is not supported. Use 1 to {max_channel_count}.",
    example={"channel_count": 12, "max_channel_count": 8},
)
AUDIO_NOT_FINITE = ErrorType(
    Code.UNPROCESSABLE,
    "The recording contains samples that are no finite numbers, or 200 dB above full scale, first at {seconds:.3f} s. Export it again.",
    example={"seconds": 1.25},
)
AUDIO_NOT_WRITTEN = ErrorType(Code.STORAGE_FULL, f"The audio could not be stored. {_IN_A_MINUTE}")
AUDIO_DAMAGED = ErrorType(
    Code.INTERNAL, "The stored file is damaged. Separate the track again.", reason="AUDIO_UNREADABLE"
)

# Jobs.
JOB_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such job. Check the ID.")
JOB_FINISHED = ErrorType(
    Code.CONFLICT, "The job has {state} already and cannot be cancelled.", example={"state": "succeeded"}
)
JOB_NOT_FAILED = ErrorType(
    Code.CONFLICT,
    "Only a failed or cancelled job can start again. Wait until this job ends, or start a new one.",
    note="A batch can start again when it has ended and at least one of its jobs failed.",
)
TOO_MANY_RETRIES = ErrorType(
    Code.CONFLICT, "This job was started again {limit} times. Send a new request instead.", example={"limit": 100}
)
TOO_MANY_PENDING = ErrorType(
    Code.RATE_LIMITED,
    "You have {pending_count} unfinished jobs; {max_pending} are allowed at a time. Wait until one is done, or cancel one "
    "that waits.",
    note="Per kind of job; a batch must fit as a whole. See the `*_PENDING_LIMIT` and `*_ANONYMOUS_LIMIT` settings.",
    example={"pending_count": 5, "max_pending": 5},
)
HOURLY_LIMIT = ErrorType(
    Code.RATE_LIMITED,
    "You have used up your {hourly_limit} jobs an hour. Try again in 12 minutes.",
    note="Sound Box.",
    example={"hourly_limit": 10, "retry_after": 720},
)
QUEUE_FULL = ErrorType(
    Code.UNAVAILABLE,
    f"The queue is full: {{queue_size}} jobs are waiting or in work. {_IN_A_MINUTE}",
    note="All callers together have too many unfinished jobs of this kind.",
    example={"queue_size": 100},
)
WORKER_LOST = ErrorType(
    Code.UNAVAILABLE,
    "The worker died {attempt_count} times while working on this job. Start it again. If it dies again, the job needs more "
    "memory than the server has.",
    example={"attempt_count": 3},
)
ENGINE_DIED = ErrorType(
    Code.UNAVAILABLE, f"The engine process ended unexpectedly. It may have run out of memory. {_IN_A_MINUTE}"
)
OUT_OF_MEMORY = ErrorType(Code.UNAVAILABLE, f"This machine has too little free memory for the model. {_IN_A_MINUTE}")
SPEC_UNREADABLE = ErrorType(Code.UNPROCESSABLE, "The job's specification cannot be read. Create the job again.")
JOB_KIND_UNKNOWN = ErrorType(Code.UNAVAILABLE, "This worker does not support the kind of this job.")
JOB_KIND_INVALID = ErrorType(Code.INVALID_ARGUMENT, "The kind of the job is missing or unknown.")
BATCH_INVALID = ErrorType(Code.INVALID_ARGUMENT, "A batch has 1 to {limit} jobs.", example={"limit": 100})
ATTEMPT_STALE = ErrorType(Code.STALE, "Another attempt at this job has replaced this one.")
AFFINITY_INVALID = ErrorType(Code.INVALID_ARGUMENT, "An affinity consists of lower-case letters, digits and hyphens.")
OUTPUT_FOLDER_INVALID = ErrorType(
    Code.INVALID_ARGUMENT, "An output folder is a path of lower-case letters, digits and hyphens."
)
WORK_INVALID = ErrorType(Code.INVALID_ARGUMENT, "The work of a job must be 0 seconds or more.")
STARVATION_INVALID = ErrorType(Code.INVALID_ARGUMENT, "A starvation timeout must be 0 seconds or more.")
DURATION_OUT_OF_RANGE = ErrorType(
    Code.INVALID_ARGUMENT, "The duration must be from {low:g} to {high:g} seconds.", example={"low": 0.5, "high": 30}
)

# Models.
MODEL_UNKNOWN = ErrorType(
    Code.NOT_FOUND,
    "There is no model {model!r}. Use one of: {known}.",
    example={"model": "x", "known": "htdemucs, spleeter"},
)
MODEL_UNAVAILABLE = ErrorType(
    Code.NOT_PROVISIONED,
    "The weights of the model {model!r} are not available: {why}. Run `make models` on a machine with network access, or "
    "set the folder of models.",
    note="Fallback is disabled or lacks a requested stem, and the weights are missing, or no licence is stated and the "
    "operator has not allowed them.",
    example={"model": "htdemucs", "why": "the folder of models does not exist"},
)
MODEL_UNSUPPORTED = ErrorType(
    Code.UNPROCESSABLE, "The model {model!r} is not supported: {why}", example={"model": "x", "why": "it is quantized."}
)
MODEL_NOT_INSTALLED = ErrorType(
    Code.NOT_PROVISIONED,
    "The libraries of the model {model!r} are not installed on this server.",
    reason="MODEL_UNSUPPORTED",
    example={"model": "musicgen-small"},
)
WEIGHTS_CHANGED = ErrorType(
    Code.NOT_PROVISIONED,
    "The file {file} of the model {model!r} is damaged or was changed: its digest is {found}, not {expected}. Delete the "
    "file and run `make models MODEL={model}`; if it is your own checkpoint, import it again.",
    note="No other model runs in its place.",
    example={"file": "955717e8.safetensors", "model": "htdemucs", "found": "0a1b...", "expected": "d9fa..."},
)
FETCH_UNDERWAY = ErrorType(
    Code.CONFLICT, "The model {model!r} is being fetched. Wait until it is done.", example={"model": "htdemucs"}
)
CHECKPOINT_UNTRUSTED = ErrorType(
    Code.UNPROCESSABLE, "The checkpoint was refused: {why}", example={"why": "It contains code."}
)
IMPORT_REFUSED = ErrorType(Code.UNPROCESSABLE, "The checkpoint cannot be imported.")

# Links, downloads and Spotify. The forge dialect spells three codes in lower case.
URL_INVALID = ErrorType(
    Code.INVALID_ARGUMENT,
    "Only links to Spotify tracks, albums and playlists are supported.",
    note="Forge: `invalid_url`. The link is not supported, has another scheme, or contains credentials.",
)
SPOTIFY_NOT_FOUND = ErrorType(
    Code.NOT_FOUND,
    "Spotify did not find this item, or does not share it with applications. Check that it exists and is public.",
    reason="SPOTIFY_ERROR",
    note="Forge: `spotify_error`.",
)
SPOTIFY_BUSY = ErrorType(
    Code.RATE_LIMITED,
    f"Spotify limits the requests of this server. {_IN_A_MINUTE}",
    reason="SPOTIFY_ERROR",
    note="Forge: `spotify_error`. See `retry_after`.",
    example={"retry_after": 30},
)
SPOTIFY_AWAY = ErrorType(
    Code.UNAVAILABLE, f"Spotify is unavailable. {_IN_A_MINUTE}", reason="SPOTIFY_ERROR", note="Forge: `spotify_error`."
)
SPOTIFY_UNAUTHORIZED = ErrorType(
    Code.NOT_PROVISIONED,
    "Spotify credentials are not configured. Ask the operator to set SOUNDWRIGHT_SPOTIFY_CLIENT_ID and _SECRET.",
    note="Forge: `unauthorized`. Or Spotify rejects the credentials.",
)
SPOTIFY_DENIED = ErrorType(
    Code.PERMISSION_DENIED,
    "This login at Spotify has expired. Start it again.",
    note="Or the Spotify application is not open to this user. The browser is redirected to the login or the settings.",
)
CONNECTION_TAKEN = ErrorType(
    Code.EXISTS,
    "This {provider} account is already connected to another Soundwright account. Disconnect it there first.",
    note="The browser is redirected to the settings.",
    example={"provider": "Spotify"},
)
PUBLIC_URL_NEEDED = ErrorType(
    Code.UNPROCESSABLE,
    "Spotify redirects only to {public_address}. Open Soundwright at that address, or ask the operator to set "
    "SOUNDWRIGHT_PUBLIC_URL to the address that browsers use.",
    note="The browser uses another host name or port than the redirect URI, for example `localhost`.",
    example={"public_address": "http://127.0.0.1:4000"},
)
EMAIL_MISSING = ErrorType(
    Code.UNPROCESSABLE,
    "{provider} sent no valid email address, which a new account needs. Register with your email address first, then "
    "connect {provider} in the settings.",
    example={"provider": "Spotify"},
)
ADDRESS_REFUSED = ErrorType(
    Code.UNPROCESSABLE,
    "The address is not a public web server. Use the address of a public website.",
    note="The host name does not exist, or it or a redirect resolves to a private address.",
)
NOT_DOWNLOADED = ErrorType(
    Code.UNPROCESSABLE, "This track was not downloaded, so it cannot be downloaded again. Send a url."
)
NOTHING_TO_DOWNLOAD = ErrorType(
    Code.UNPROCESSABLE,
    "Nothing behind this link can be downloaded from Spotify.",
    note="For example a playlist of local files.",
)
TOO_MANY_PREVIEWS = ErrorType(
    Code.RATE_LIMITED,
    f"The server is reading many links. {_IN_A_MINUTE}",
    note="`POST /api/download/preview`: 20 requests wait already.",
    example={"retry_after": 60},
)
NO_MATCH = ErrorType(Code.UNPROCESSABLE, "No recording matches the title, artist and length of the track.")
MEDIA_UNSUPPORTED = ErrorType(
    Code.UNPROCESSABLE,
    "This address has no recording that can be downloaded. Use the address of a single track or audio file.",
)
MEDIA_SEVERAL = ErrorType(Code.UNPROCESSABLE, "This address has several recordings. Use the address of one of them.")
MEDIA_LIVE = ErrorType(Code.UNPROCESSABLE, "This is a live stream. Download its recording after it has ended.")
MEDIA_UNAVAILABLE = ErrorType(
    Code.UNPROCESSABLE,
    "The recording is not available: it was removed, is private, or is blocked in the server's country.",
)
FETCH_TIMEOUT = ErrorType(
    Code.UNPROCESSABLE,
    "The site sends the recording too slowly. Try another source.",
    note="The limit is `SOUNDWRIGHT_FETCH_SECONDS`, for previews 60 seconds.",
)
FETCH_INTERRUPTED = ErrorType(Code.UNAVAILABLE, f"The site closed the connection or returned an error. {_IN_A_MINUTE}")
FETCH_CRASHED = ErrorType(Code.INTERNAL, f"An internal error occurred during the download. {_IN_A_MINUTE}")
DOWNLOAD_LOST = ErrorType(Code.INTERNAL, "The download was lost. Start it again.")

# lalal.ai.
LALALAI_NOT_CONFIGURED = ErrorType(
    Code.NOT_PROVISIONED,
    "lalal.ai API key not configured. Enter your own key in your settings, or use the engine local.",
    note="Neither the caller nor `SOUNDWRIGHT_LALALAI_KEY` provides a key.",
)
LALALAI_UNAUTHORIZED = ErrorType(
    Code.NOT_PROVISIONED,
    "lalal.ai does not accept your key. Enter a valid key in your settings.",
    note="Or the key with which a job started was removed.",
)
LALALAI_FAILED = ErrorType(
    Code.UNPROCESSABLE,
    "lalal.ai could not separate the track: {detail}. Try again, or choose another engine.",
    reason="LALALAI_ERROR",
    note="lalal.ai rejected the request or failed, or returned something that is not a stem of the recording.",
    example={"detail": "the response is invalid"},
)
LALALAI_AWAY = ErrorType(
    Code.UNAVAILABLE,
    f"lalal.ai is unavailable ({{detail}}). {_IN_A_MINUTE}",
    reason="LALALAI_ERROR",
    example={"detail": "status 503"},
)
LALALAI_BUSY = ErrorType(
    Code.RATE_LIMITED,
    f"lalal.ai is unavailable ({{detail}}). {_IN_A_MINUTE}",
    reason="LALALAI_ERROR",
    note="See `retry_after`.",
    example={"detail": "status 429", "retry_after": 30},
)
TASK_NOT_FOUND = ErrorType(Code.NOT_FOUND, "You have no such task at lalal.ai. Check the ID.")

# Webhooks.
WEBHOOK_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such webhook. Check the ID.")
DELIVERY_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such delivery. Check the ID.")
WEBHOOK_LIMIT = ErrorType(
    Code.CONFLICT, "An account can have {limit} webhooks. Delete one that you no longer need.", example={"limit": 10}
)
WEBHOOK_DISABLED = ErrorType(Code.CONFLICT, "This webhook is disabled. Enable it first.")
DELIVERY_UNDERWAY = ErrorType(Code.CONFLICT, f"This delivery is being sent. {_IN_A_MINUTE}")

# Agents.
CONVERSATION_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such conversation. Check the ID.")
CONVERSATION_FULL = ErrorType(
    Code.CONFLICT, "A conversation can have {limit} messages. Start a new conversation.", example={"limit": 200}
)
TURN_INVALID = ErrorType(Code.INVALID_ARGUMENT, "The turn of a conversation is invalid.", note="Only between services.")
MEASUREMENT_MISSING = ErrorType(Code.UNPROCESSABLE, "A measurement of a track is missing. Analyse the track.")
TOO_FEW_TRACKS = ErrorType(Code.UNPROCESSABLE, "An order needs at least two tracks. Name them, or analyse some tracks.")
TRACK_NOT_NAMED = ErrorType(
    Code.PERMISSION_DENIED, "The user's message does not name this track, so no work was started."
)

# Sound Box. Its clients receive only the sentence.
GENERATION_NOT_FOUND = ErrorType(Code.NOT_FOUND, "There is no such generation. Check the ID; it may have been deleted.")
GENERATION_NOT_OWNED = ErrorType(Code.PERMISSION_DENIED, "Only its owner or an administrator may delete a generation.")
CLIP_PARTS_UNKNOWN = ErrorType(
    Code.NOT_FOUND,
    "The parts of this clip are not known, because another model or version made it. Add it to the tracks, and separate it there.",
)
RATED_FILE_NOT_FOUND = ErrorType(Code.NOT_FOUND, "File not found")
TAGGED_NOT_FOUND = ErrorType(Code.NOT_FOUND, "Generation not found")
AUDIO_FILE_NOT_FOUND = ErrorType(Code.NOT_FOUND, "Audio file not found")
SPECTROGRAM_FAILED = ErrorType(Code.INTERNAL, "Failed to generate spectrogram")
PLAYLIST_NOT_FOUND = ErrorType(Code.NOT_FOUND, "The playlist does not exist or is private. Check the ID.")
PLAYLIST_NOT_OWNED = ErrorType(Code.PERMISSION_DENIED, "This playlist belongs to another account.")
PLAYLIST_NAME_INVALID = ErrorType(
    Code.INVALID_ARGUMENT, "The name of a playlist must have 1 to {limit} characters.", example={"limit": 100}
)
DESCRIPTION_TOO_LONG = ErrorType(
    Code.INVALID_ARGUMENT, "A description can have at most {limit} characters.", example={"limit": 500}
)
TOO_MANY_PLAYLISTS = ErrorType(
    Code.CONFLICT, "You can have {limit} playlists. Delete one first.", example={"limit": 100}
)
PLAYLIST_FULL = ErrorType(
    Code.CONFLICT,
    "A playlist can have {limit} generations. Remove one first, or create another playlist.",
    example={"limit": 500},
)
ALREADY_IN_PLAYLIST = ErrorType(Code.EXISTS, "The generation is already in this playlist.")
NOT_IN_PLAYLIST = ErrorType(Code.NOT_FOUND, "The generation is not in this playlist.")
ORDER_INVALID = ErrorType(
    Code.INVALID_ARGUMENT,
    "The order must contain every generation of the playlist once. Reload the playlist, which may have changed, and try again.",
)
SOURCE_TOO_LONG = ErrorType(
    Code.INVALID_ARGUMENT, "A source can have at most {limit} characters.", example={"limit": 50}
)
SESSION_ID_TOO_LONG = ErrorType(
    Code.INVALID_ARGUMENT, "A session ID can have at most {limit} characters.", example={"limit": 100}
)
TOO_MANY_IDS = ErrorType(Code.INVALID_ARGUMENT, "A request can have at most {limit} IDs.", example={"limit": 100})
MODEL_NOT_FOUND = ErrorType(Code.NOT_FOUND, "Categories exist for the models music and audio.")
RATING_INVALID = ErrorType(Code.INVALID_ARGUMENT, "A rating is a whole number from 1 to 5, or none.")
TAG_PRESENT = ErrorType(Code.EXISTS, "The generation is already in this category.")
TAG_ABSENT = ErrorType(Code.CONFLICT, "The generation is not in this category.")
CATEGORY_UNKNOWN = ErrorType(
    Code.INVALID_ARGUMENT, "This category does not exist. Choose one from the list of categories."
)
ALREADY_SUGGESTED = ErrorType(Code.EXISTS, "You have already suggested this change.")
SUGGESTION_NOT_FOUND = ErrorType(Code.NOT_FOUND, "You have no open suggestion for this category.")
TOO_MANY_SUGGESTIONS = ErrorType(
    Code.RATE_LIMITED,
    "Your address has suggested {limit} categories within an hour. Log in to suggest more.",
    note="Only for callers without a registered account.",
    example={"limit": 20},
)
WINDOW_TOO_LONG = ErrorType(Code.INVALID_ARGUMENT, "Trends cover at most 31 days. Use a later start.")
VOTE_INVALID = ErrorType(Code.INVALID_ARGUMENT, "The vote must be -1, 0 or 1.")
TOO_MANY_REASONS = ErrorType(Code.INVALID_ARGUMENT, "A vote can have at most {limit} reasons.", example={"limit": 10})
NOTES_TOO_LONG = ErrorType(Code.INVALID_ARGUMENT, "Notes can have at most {limit} characters.", example={"limit": 500})
SUGGESTED_MODEL_INVALID = ErrorType(Code.INVALID_ARGUMENT, "The suggested model must be music, audio or empty.")
TOO_MANY_VOTES = ErrorType(
    Code.RATE_LIMITED,
    "This clip has {limit} votes from your address. Log in to vote.",
    note="Only for callers without a registered account.",
    example={"limit": 20},
)

# Audio Pipeline.
NO_OUTPUTS = ErrorType(Code.NOT_FOUND, "The job is not complete")
NO_FILENAME = ErrorType(Code.INVALID_ARGUMENT, "No filename provided")
FORMAT_UNSUPPORTED = ErrorType(
    Code.INTERNAL,
    "Unsupported audio format:{suffix}",
    note="The contract prescribes the status.",
    example={"suffix": ".txt"},
)

# Contracts word these.
USER_ID_NEEDED = ErrorType(Code.INVALID_ARGUMENT, "user_id required", reason="BAD_REQUEST")
FILENAME_INVALID = ErrorType(Code.INVALID_ARGUMENT, "Invalid filename", reason="BAD_REQUEST")
MODEL_INVALID = ErrorType(Code.INVALID_ARGUMENT, "Invalid model type", reason="BAD_REQUEST")
STATION_UNKNOWN = ErrorType(
    Code.INVALID_ARGUMENT,
    "Unknown station. The stations are: {stations}",
    reason="BAD_REQUEST",
    example={"stations": "ambient, lofi, shuffle"},
)
TASK_ID_MISSING = ErrorType(Code.INVALID_ARGUMENT, "task_id parameter is required", reason="BAD_REQUEST")

# Stores and the broker.
STORAGE_FULL = ErrorType(
    Code.STORAGE_FULL,
    "The server has no disk space left for this file. Free some space and try again.",
    note="Jobs, uploads and downloads leave 256 MiB of disk space to the stores of the platform. No part of an upload is kept.",
)
BLOBS_UNAVAILABLE = ErrorType(
    Code.UNAVAILABLE,
    f"The file store does not answer. {_IN_A_MINUTE}",
    note="Or it does not answer as an S3 store does.",
)
BLOBS_REFUSED = ErrorType(
    Code.UNAVAILABLE,
    "The file store refuses the platform's credentials. Ask the operator to correct them.",
    note="The log says what to correct.",
)
BLOBS_NOT_PERMITTED = ErrorType(
    Code.UNAVAILABLE,
    "The file store does not permit this operation. Ask the operator to allow it.",
    reason="BLOBS_REFUSED",
)
BLOBS_CLOCK_SKEWED = ErrorType(
    Code.UNAVAILABLE,
    "The clocks of this server and of the file store differ. Ask the operator to set the clocks.",
    note="They differ by more than 15 minutes.",
)
BUCKET_MISSING = ErrorType(
    Code.UNAVAILABLE, "The bucket of the file store does not exist. Ask the operator to create it."
)
BLOB_NOT_FOUND = ErrorType(
    Code.NOT_FOUND,
    "The file does not exist. It may have been deleted.",
    note="A job fails immediately with it if a file that it reads is deleted.",
)
BLOB_LOST = ErrorType(Code.INTERNAL, f"The mix was lost. {_IN_A_MINUTE}")
BLOB_KEY_INVALID = ErrorType(Code.INVALID_ARGUMENT, "The key of the file is invalid.")
BLOB_KEY_TAKEN = ErrorType(
    Code.EXISTS, "The file cannot be stored under this name, because another file or folder uses a part of it."
)
BLOB_DAMAGED = ErrorType(
    Code.INTERNAL,
    "The content of the file {key} is not what it should be. Check the disk it is on.",
    example={"key": f"tracks/{_UUID}/audio.flac"},
)
STORE_UNAVAILABLE = ErrorType(Code.UNAVAILABLE, f"The document store does not answer. {_IN_A_MINUTE}")
STORE_REFUSED = ErrorType(
    Code.UNAVAILABLE, "The document store refuses the platform's credentials. Ask the operator to correct them."
)
STORE_DAMAGED = ErrorType(
    Code.UNAVAILABLE,
    "The database of the platform is damaged. The log of the library names the file and says what to do.",
    note="See [operations](OPERATIONS.md#a-damaged-database).",
)
DOC_EXISTS = ErrorType(Code.EXISTS, "A document like this exists.", note="Only between services.")
BROKER_UNAVAILABLE = ErrorType(Code.UNAVAILABLE, f"The message broker does not answer. {_IN_A_MINUTE}")
BROKER_FULL = ErrorType(
    Code.UNAVAILABLE,
    f"The message broker has no room for messages. {_IN_A_MINUTE}",
    note="The message says which limit.",
)
STREAM_INCOMPATIBLE = ErrorType(
    Code.CONFLICT,
    "The broker cannot change {changes} of the stream {stream}: {why}. Correct the setting, or stop the platform and delete "
    "the stream: the library publishes the commands of queued jobs again.",
    example={"changes": "max_bytes", "stream": "SOUNDWRIGHT_JOBS", "why": "insufficient storage"},
)

# The commands that back up, restore and copy a library.
STORE_MISSING = ErrorType(
    Code.CONFLICT,
    "The document store is empty, but the file store has files of a library. If the documents were lost, restore a backup: "
    'the chapter "A damaged database" in docs/OPERATIONS.md has the commands. To begin with an empty library, empty the file '
    "store too.",
)
STORE_EMPTY = ErrorType(Code.NOT_FOUND, "The document store contains no library. Check its URL.")
STORE_INCOMPLETE = ErrorType(
    Code.CONFLICT, "A restore into this document store has not finished. Run the command again until it succeeds."
)
STORE_IN_USE = ErrorType(
    Code.CONFLICT,
    "A library on {host} used the document store {age_seconds:.0f} seconds ago. Stop it. If it was killed, wait "
    "{wait_seconds:.0f} seconds.",
    example={"host": "music", "age_seconds": 3, "wait_seconds": 30},
)
STORE_NOT_EMPTY = ErrorType(
    Code.CONFLICT, "The target document store has documents that come from elsewhere. Use an empty one."
)
SCHEMA_OUTDATED = ErrorType(
    Code.CONFLICT,
    "The documents have version {version}, and this version of Soundwright uses {latest_version}. Use the version of "
    "Soundwright that the library runs, or start the library with this one once.",
    example={"version": 1, "latest_version": 2},
)
LIBRARY_BUSY = ErrorType(Code.UNAVAILABLE, f"Files are deleted faster than they can be copied. {_IN_A_MINUTE}")
FILES_MISSING = ErrorType(
    Code.NOT_FOUND,
    "The library lacks {count} files that its documents name, such as {first}. They are not in the backup. Check the file "
    "store.",
    example={"count": 2, "first": f"tracks/{_UUID}/audio.flac"},
)
COPY_DIFFERS = ErrorType(
    Code.CONFLICT,
    "The collection {collection} has {source_count} documents in the source and {target_count} in the target, or their "
    "contents differ. A stack that uses one of the stores has changed it. Stop the stack and run the command again.",
    example={"collection": "tracks", "source_count": 9, "target_count": 8},
)
BACKUP_MISSING = ErrorType(
    Code.NOT_FOUND, "The folder {folder} holds no complete backup.", example={"folder": "/backup"}
)
BACKUP_RUNNING = ErrorType(
    Code.CONFLICT, "Another backup into {folder} is running. Wait for its end.", example={"folder": "/backup"}
)
BACKUP_UNREADABLE = ErrorType(
    Code.INVALID_ARGUMENT,
    "The backup has the format {format}, which this version of Soundwright does not read.",
    example={"format": 9},
)
BACKUP_TOO_NEW = ErrorType(
    Code.CONFLICT,
    "The documents have version {version}, and this version of Soundwright knows {latest_version}. Install the version that "
    "made the backup, or a later one.",
    reason="BACKUP_UNREADABLE",
    example={"version": 9, "latest_version": 2},
)
BACKUP_DAMAGED = ErrorType(
    Code.INTERNAL, "The backup lists {count} files instead of {expected}.", example={"count": 8, "expected": 9}
)

# Between components, and for callers of gRPC.
API_TOKEN_NOT_ACCEPTED = ErrorType(Code.PERMISSION_DENIED, "Only services of the platform may call this method.")
CERTIFICATE_MISMATCH = ErrorType(
    Code.PERMISSION_DENIED, "The certificate of the connection does not name the component that signed the call."
)
CALLER_NOT_ACCEPTED = ErrorType(Code.PERMISSION_DENIED, "This component may not call this method in this role.")
PRINCIPAL_MISSING = ErrorType(Code.UNAUTHENTICATED, "The call has no principal.")
PRINCIPAL_INVALID = ErrorType(
    Code.UNAUTHENTICATED,
    "The principal of the call is invalid or expired. Check that the components have the same keys and the same time.",
)
PRINCIPAL_NOT_PROVEN = ErrorType(
    Code.INTERNAL,
    "The {component} service may not act for an account that has not called it.",
    example={"component": "analysis"},
)
MESSAGE_INVALID = ErrorType(
    Code.INVALID_ARGUMENT, "The request is not a message of this method. Create a client from the contracts in proto/."
)
METHOD_NOT_FOUND = ErrorType(
    Code.UNIMPLEMENTED,
    "The server has no method {method}. List its methods by server reflection.",
    example={"method": "/soundwright.library.v1.TrackService/Sing"},
)
DEADLINE_EXCEEDED = ErrorType(
    Code.TIMEOUT,
    f"The call took longer than {{limit_seconds}} s, the limit of this method. {_IN_A_MINUTE}",
    example={"limit_seconds": 60},
)
TOO_MANY_WATCHES = ErrorType(
    Code.RATE_LIMITED,
    "You watch too many jobs. End a watch first.",
    note="The caller watches 20 jobs, or the component has 500 watches.",
)
TOO_MANY_STREAMS = ErrorType(Code.RATE_LIMITED, f"The service has too many open streams. {_IN_A_MINUTE}")
HEALTH_NOT_REPORTED = ErrorType(  # clients that receive this status go on with their calls
    Code.UNIMPLEMENTED,
    f"The service has too many open streams. {_IN_A_MINUTE}",
    reason="TOO_MANY_STREAMS",
    note="Health checks.",
)
SERVICE_STOPPING = ErrorType(Code.UNAVAILABLE, "The service restarts. Repeat the call to continue.")
STREAM_ENDED = ErrorType(
    Code.UNAVAILABLE,
    "A stream ends after {limit_seconds} s. Repeat the call to continue.",
    example={"limit_seconds": 3600},
)
RPC_FAILED = ErrorType(Code.INTERNAL, f"A call between services failed. {_IN_A_MINUTE}")

CATALOGUE = {name: value for name, value in globals().items() if isinstance(value, ErrorType)}
for _name, _error in CATALOGUE.items():
    _error.reason = _error.reason or _name


def invalid(field: str, problem: str, sentence: str = "") -> AppError:
    """Return ``VALIDATION_ERROR`` for one field of a request."""
    return VALIDATION_ERROR(sentence, details={field: [problem]})


def require_known(field: str, value: str, known: Iterable[str]) -> None:
    """Raise ``VALIDATION_ERROR`` if a word is not one of the known ones. They contain "" if the word is optional."""
    if value not in (words := tuple(known)):
        choice = f"one of: {', '.join(filter(None, words))}"
        raise invalid(field, f"must be {choice}", f"The {field} {value[:40]!r} is unknown. Use {choice}.")
