/** Setlists of the account. */

import { api, dataOf, type Setlist, type SetlistWithTracks } from "./client.ts";
import { bodyOf } from "./requests.ts";

export function listSetlists(): Promise<Setlist[]> {
  return dataOf(api.GET("/api/setlists"));
}

export function createSetlist(name: string): Promise<Setlist> {
  return dataOf(api.POST("/api/setlists", { body: { name } }));
}

export function getSetlist(id: string): Promise<SetlistWithTracks> {
  return dataOf(api.GET("/api/setlists/{setlist_id}", { params: { path: { setlist_id: id } } }));
}

/** Rename a setlist, or store its tracks in their order. */
export function changeSetlist(id: string, body: { name: string } | { track_ids: string[] }): Promise<Setlist> {
  return dataOf(api.PATCH("/api/setlists/{setlist_id}", { params: { path: { setlist_id: id } }, body }));
}

export async function deleteSetlist(id: string): Promise<void> {
  await bodyOf(api.DELETE("/api/setlists/{setlist_id}", { params: { path: { setlist_id: id } } }));
}
