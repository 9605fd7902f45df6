/** Playlists of the account. */

import { signal } from "@preact/signals";
import { api, type Clip, type Playlist, type PlaylistWithTracks } from "./client.ts";
import { bodyOf } from "./requests.ts";

/** All playlists, newest first; null until they are loaded. */
export const playlists = signal<readonly Playlist[] | null>(null);

export async function loadPlaylists(): Promise<void> {
  playlists.value = (await bodyOf(api.GET("/api/playlists"))).playlists;
}

export async function createPlaylist(name: string): Promise<Playlist> {
  const created = await bodyOf(api.POST("/api/playlists", { body: { name } }));
  await loadPlaylists();
  return created;
}

export async function getPlaylist(id: string): Promise<PlaylistWithTracks> {
  return bodyOf(api.GET("/api/playlists/{playlist_id}", { params: { path: { playlist_id: id } } }));
}

export async function renamePlaylist(id: string, name: string): Promise<void> {
  await bodyOf(api.PUT("/api/playlists/{playlist_id}", { params: { path: { playlist_id: id } }, body: { name } }));
}

export async function sharePlaylist(id: string, isPublic: boolean): Promise<void> {
  const params = { path: { playlist_id: id } };
  await bodyOf(api.PUT("/api/playlists/{playlist_id}", { params, body: { is_public: isPublic } }));
}

export async function deletePlaylist(id: string): Promise<void> {
  const params = { path: { playlist_id: id } };
  await bodyOf(api.DELETE("/api/playlists/{playlist_id}", { params, body: {} }));
}

export async function addToPlaylist(id: string, clip: Clip): Promise<void> {
  const params = { path: { playlist_id: id } };
  await bodyOf(api.POST("/api/playlists/{playlist_id}/tracks", { params, body: { generation_id: clip.id } }));
}

export async function removeFromPlaylist(id: string, clipId: string): Promise<void> {
  const params = { path: { playlist_id: id, gen_id: clipId } };
  await bodyOf(api.DELETE("/api/playlists/{playlist_id}/tracks/{gen_id}", { params, body: {} }));
}

export async function reorderPlaylist(id: string, clipIds: readonly string[]): Promise<void> {
  const params = { path: { playlist_id: id } };
  await bodyOf(api.PUT("/api/playlists/{playlist_id}/reorder", { params, body: { track_order: [...clipIds] } }));
}
