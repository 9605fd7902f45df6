"""What an account may do over gRPC: a row for each RPC that accepts API tokens, with a request that names what the owner has."""

from typing import Any

EVERYBODY = ("OK", "OK", "OK")
"""What the RPC returns or changes is public, or the caller's own."""
ADMINISTRATORS = ("ROLE_TOO_LOW", "OK", "ROLE_TOO_LOW")


def _owners(reason: str, owner: str = "OK") -> tuple[str, str, str]:
    """The owner alone may; an administrator is a stranger like any other."""
    return (reason, reason, owner)


TRACK = {"track_id": "{track}"}
CLIP = {"generation_id": "{clip}"}
PLAYLIST = {"playlist_id": "{playlist}"}
WEBHOOK = {"webhook_id": "{webhook}"}

# The request, and what a stranger, an administrator and the owner get. The rows are called in this order.
RPC_MATRIX: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "AgentService.Chat": ({"turn_id": "{uuid}", "message": "Which key?", "track_ids": ["{track}"]}, EVERYBODY),  # its tools act for the caller
    "AgentService.GetStatus": ({}, EVERYBODY),
    "AgentService.CheckProviders": ({}, ADMINISTRATORS),
    "AnalysisService.CreateJob": (TRACK, _owners("ACCESS_DENIED")),
    "AnalysisService.RenderSpectrogram": ({"stem_id": "{stem}"}, _owners("ACCESS_DENIED")),
    "GenerationService.CreateJobs": ({"parameters": {"prompt": "slow cello", "duration_seconds": 1}}, EVERYBODY),
    "GenerationService.GetStatus": ({}, EVERYBODY),
    "GenerationService.RenderSpectrogram": (CLIP, EVERYBODY),
    "GenerationService.RenderParts": (CLIP, EVERYBODY),
    "GenerationService.SuggestPrompt": ({"model": "music"}, EVERYBODY),
    "IngestService.GetStatus": ({}, EVERYBODY),
    "IngestService.FetchSpotify": ({"url": "spotify:track:rpc"}, EVERYBODY),
    "IngestService.SearchSpotify": ({"query": "tune", "page": 1, "page_size": 1}, EVERYBODY),
    "IngestService.PreviewLink": ({"url": "{url}"}, EVERYBODY),
    "IngestService.CreateDownloads": ({"url": "{url}"}, EVERYBODY),
    "ModelService.ListModels": ({}, EVERYBODY),
    "ModelService.FetchModel": ({"name": "opera"}, ("ROLE_TOO_LOW", "MODEL_UNKNOWN", "ROLE_TOO_LOW")),
    "SeparationService.CreateJob": ({**TRACK, "parameters": {"model": "dsp"}}, _owners("ACCESS_DENIED")),
    "SeparationService.CreateBatch": (
        {"track_ids": ["{track}"], "parameters": {"model": "dsp"}}, _owners("TRACK_NOT_FOUND")
    ),
    "SeparationService.PlanJobs": ({"track_ids": ["{track}"], "parameters": {"model": "dsp"}}, _owners("TRACK_NOT_FOUND")),
    "SeparationService.CreatePipelineJob": (TRACK, _owners("ACCESS_DENIED")),
    "SeparationService.CreateExportJob": (TRACK, _owners("ACCESS_DENIED")),
    "SeparationService.GetLalalaiQuota": ({}, EVERYBODY),
    "SeparationService.CancelLalalaiTask": ({"task_id": "{job}"}, ("TASK_NOT_FOUND",) * 3),
    "SeparationService.CancelLalalaiTasks": ({}, EVERYBODY),
    "TrackService.GetTrack": (TRACK, _owners("ACCESS_DENIED")),
    "TrackService.ListTracks": ({}, EVERYBODY),
    "TrackService.UpdateTrack": ({**TRACK, "track": {"title": "Mine"}, "fields": ["title"]}, _owners("ACCESS_DENIED")),
    "TrackService.GetStem": ({"stem_id": "{stem}"}, _owners("ACCESS_DENIED")),
    "TrackService.ListStems": (TRACK, _owners("ACCESS_DENIED")),
    "TrackService.GetAnalysis": (TRACK, _owners("ACCESS_DENIED")),
    "SetlistService.CreateSetlist": ({"name": "Friday night"}, EVERYBODY),
    "SetlistService.ListSetlists": ({}, EVERYBODY),
    "SetlistService.GetSetlist": ({"setlist_id": "{setlist}"}, _owners("SETLIST_NOT_FOUND")),
    "SetlistService.UpdateSetlist": (
        {"setlist_id": "{setlist}", "setlist": {"track_ids": ["{track}"]}, "fields": ["track_ids"]},
        _owners("SETLIST_NOT_FOUND"),
    ),
    "SetlistService.DeleteSetlist": ({"setlist_id": "{setlist}"}, _owners("SETLIST_NOT_FOUND")),
    "TrackService.CreateTrackLink": ({**TRACK, "lifetime_days": 1}, _owners("ACCESS_DENIED")),
    "TrackService.ListTrackLinks": (TRACK, _owners("ACCESS_DENIED")),
    "TrackService.DeleteTrackLink": ({**TRACK, "link_id": "{uuid}"}, _owners("ACCESS_DENIED", "TRACK_LINK_NOT_FOUND")),
    "JobService.GetJob": ({"job_id": "{job}"}, _owners("ACCESS_DENIED")),
    "JobService.WatchJob": ({"job_id": "{job}"}, _owners("ACCESS_DENIED")),
    "JobService.ListJobs": (TRACK, EVERYBODY),
    "JobService.CancelJob": ({"job_id": "{job}"}, _owners("ACCESS_DENIED", "JOB_FINISHED")),
    "JobService.GetQueue": ({"kind": 4}, EVERYBODY),
    "StorageService.GetUsage": ({}, EVERYBODY),
    "CatalogService.GetGeneration": (CLIP, EVERYBODY),
    "CatalogService.ListGenerations": ({}, EVERYBODY),
    "CatalogService.SampleGenerations": ({"count": 1}, EVERYBODY),
    "CatalogService.CountGenerations": ({}, EVERYBODY),
    "CatalogService.CountCategories": ({"model": "music"}, EVERYBODY),
    "CatalogService.ListCategories": ({"model": "music"}, EVERYBODY),
    "CatalogService.GetStats": ({}, EVERYBODY),
    "CatalogService.RateGeneration": ({**CLIP, "rating": 4}, EVERYBODY),
    "CatalogService.Vote": ({**CLIP, "vote": 1}, EVERYBODY),
    "CatalogService.GetVotes": ({"generation_ids": ["{clip}"]}, EVERYBODY),
    "CatalogService.GetFeedback": (CLIP, EVERYBODY),
    "CatalogService.ListVotes": ({"limit": 1}, EVERYBODY),
    "CatalogService.AddFavorite": (CLIP, EVERYBODY),
    "CatalogService.RemoveFavorite": (CLIP, EVERYBODY),
    "CatalogService.ListFavorites": ({}, EVERYBODY),
    "CatalogService.CheckFavorites": ({"generation_ids": ["{clip}"]}, EVERYBODY),
    "CatalogService.SuggestTag": ({**CLIP, "category": "jazz"}, EVERYBODY),
    "CatalogService.WithdrawTag": ({**CLIP, "category": "jazz"}, ("SUGGESTION_NOT_FOUND",) * 3),  # three have agreed
    "CatalogService.GetTagSuggestions": (CLIP, EVERYBODY),
    "CatalogService.CreatePlaylist": ({"name": "Rainy days"}, EVERYBODY),
    "CatalogService.GetPlaylist": (PLAYLIST, _owners("PLAYLIST_NOT_FOUND")),
    "CatalogService.ListPlaylists": ({}, EVERYBODY),
    "CatalogService.UpdatePlaylist": ({**PLAYLIST, "name": "Sunny days"}, _owners("PLAYLIST_NOT_FOUND")),
    "CatalogService.AddToPlaylist": ({**PLAYLIST, **CLIP}, _owners("PLAYLIST_NOT_FOUND")),
    "CatalogService.ReorderPlaylist": ({**PLAYLIST, "generation_ids": ["{clip}"]}, _owners("PLAYLIST_NOT_FOUND")),
    "CatalogService.RemoveFromPlaylist": ({**PLAYLIST, **CLIP}, _owners("PLAYLIST_NOT_FOUND")),
    "CatalogService.DeletePlaylist": (PLAYLIST, _owners("PLAYLIST_NOT_FOUND")),
    "CatalogService.RecordPlay": (CLIP, EVERYBODY),
    "CatalogService.GetPlayStats": (CLIP, EVERYBODY),
    "CatalogService.ListMostPlayed": ({"limit": 1}, EVERYBODY),
    "CatalogService.ListPlays": ({"limit": 1}, EVERYBODY),
    "ConnectionService.ListConnections": ({}, EVERYBODY),
    "ConnectionService.DeleteConnection": ({"provider": "lalalai"}, EVERYBODY),
    "ConversationService.GetConversation": ({"conversation_id": "{conversation}"}, _owners("CONVERSATION_NOT_FOUND")),
    "ConversationService.ListConversations": ({}, EVERYBODY),
    "ConversationService.DeleteConversation": (
        {"conversation_id": "{conversation}"}, _owners("CONVERSATION_NOT_FOUND"),
    ),
    "AdminService.ListAccounts": ({}, ADMINISTRATORS),
    "AdminService.ListAuditEntries": ({}, ADMINISTRATORS),
    "AdminService.GetJobOverview": ({}, ADMINISTRATORS),
    "AdminService.GetQueues": ({}, ADMINISTRATORS),
    "AdminService.GetStorage": ({}, ADMINISTRATORS),
    "AccountService.ListSessions": ({}, EVERYBODY),
    "AccountService.EndSession": ({"session_id": "{uuid}"}, ("SESSION_NOT_FOUND",) * 3),
    "AccountService.EndOtherSessions": ({}, EVERYBODY),
    "WebhookService.CreateWebhook": ({"url": "{url}"}, EVERYBODY),
    "WebhookService.GetWebhook": (WEBHOOK, _owners("WEBHOOK_NOT_FOUND")),
    "WebhookService.ListWebhooks": ({}, EVERYBODY),
    "WebhookService.UpdateWebhook": ({**WEBHOOK, "description": "mine"}, _owners("WEBHOOK_NOT_FOUND")),
    "WebhookService.RotateWebhookSecret": (WEBHOOK, _owners("WEBHOOK_NOT_FOUND")),
    "WebhookService.TestWebhook": (WEBHOOK, _owners("WEBHOOK_NOT_FOUND")),
    "WebhookService.ListWebhookDeliveries": (WEBHOOK, _owners("WEBHOOK_NOT_FOUND")),
    "WebhookService.ReplayWebhookDelivery": ({"webhook_delivery_id": "{delivery}"}, _owners("DELIVERY_NOT_FOUND")),
    "WebhookService.DeleteWebhook": (WEBHOOK, _owners("WEBHOOK_NOT_FOUND")),
    "CatalogService.DeleteGeneration": (CLIP, ("GENERATION_NOT_OWNED", "OK", "GENERATION_NOT_FOUND")),
    "TrackService.DeleteTrack": (TRACK, _owners("ACCESS_DENIED")),
    "AccountService.ListApiTokens": ({}, EVERYBODY),
    "AccountService.DeleteApiToken": ({"api_token_id": "{token}"}, _owners("TOKEN_NOT_FOUND")),
}  # fmt: skip
