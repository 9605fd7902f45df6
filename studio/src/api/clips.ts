/** Clips: lists, and what this account thinks of each (votes and favorites), which all views share. */

import { signal } from "@preact/signals";
import { accountId, api, type Clip } from "./client.ts";
import { bodyOf } from "./requests.ts";
import { entered } from "./session.ts";

export interface ClipFilter {
  readonly source: "all" | "mine" | "favorites";
  readonly search: string;
  readonly model: string;
  readonly category: string;
  /** Clips of this user alone; only with the source `all`. */
  readonly userId: string;
  readonly minSeconds: number;
  /** 0: no maximum. */
  readonly maxSeconds: number;
  readonly sort: string;
}

export interface ClipPage {
  readonly items: readonly Clip[];
  readonly total: number;
  readonly pages: number;
}

/** What the account thinks of a clip, and its numbers of votes after that. */
export interface Mark {
  readonly vote: number;
  readonly isFavorite: boolean;
  readonly upvotes: number;
  readonly downvotes: number;
}

const PAGE_SIZE = 48;
const MARK_LIMIT = 100;

/** Marks of the clips that were shown, by their IDs. */
export const marks = signal<ReadonlyMap<string, Mark>>(new Map());

/** The IDs of clips that were deleted here. */
export const deleted = signal<ReadonlySet<string>>(new Set());

export function markOf(clip: Clip): Mark {
  const { upvotes, downvotes } = clip;
  return marks.value.get(clip.id) ?? { vote: 0, isFavorite: false, upvotes, downvotes };
}

/** Return a page of clips, from 1, and load their marks. */
export async function listClips(filter: ClipFilter, page: number, signal: AbortSignal): Promise<ClipPage> {
  await entered();
  const paging = { page, per_page: PAGE_SIZE, model: filter.model };
  const query = {
    ...paging,
    search: filter.search,
    prefix: true,
    category: filter.category,
    min_duration: filter.minSeconds,
    max_duration: filter.maxSeconds,
    sort: filter.sort,
    user_id: filter.source === "mine" ? accountId : filter.userId,
  };
  const found: ClipPage = await (filter.source === "favorites"
    ? bodyOf(api.GET("/api/favorites", { params: { query: paging }, signal }))
    : bodyOf(api.GET("/api/library", { params: { query }, signal })));
  void loadMarks(found.items).catch(() => {}); // voting works without them
  return found;
}

export async function getClip(id: string): Promise<Clip> {
  return bodyOf(api.GET("/api/library/{gen_id}", { params: { path: { gen_id: id } } }));
}

/** Load the votes and favorites of the account for these clips. */
export async function loadMarks(clips: readonly Clip[]): Promise<void> {
  for (let start = 0; start < clips.length; start += MARK_LIMIT) {
    const part = clips.slice(start, start + MARK_LIMIT);
    const body = { generation_ids: part.map(({ id }) => id) };
    const [votes, favorites] = await Promise.all([
      bodyOf(api.POST("/api/library/votes", { body })),
      bodyOf(api.POST("/api/favorites/check", { body })),
    ]);
    const changed = new Map(marks.value);
    for (const { id, upvotes, downvotes } of part) {
      changed.set(id, { vote: Number(votes[id] ?? 0), isFavorite: favorites[id] === true, upvotes, downvotes });
    }
    marks.value = changed;
  }
}

/** Vote for a clip; the same vote again withdraws it. */
export async function vote(clip: Clip, value: 1 | -1): Promise<void> {
  const wanted = markOf(clip).vote === value ? 0 : value;
  const params = { path: { gen_id: clip.id } };
  const body = { vote: wanted } as const;
  const voted = await bodyOf(api.POST("/api/library/{gen_id}/vote", { params, body }));
  change(clip, { vote: voted.user_vote, upvotes: voted.upvotes, downvotes: voted.downvotes });
}

export async function toggleFavorite(clip: Clip): Promise<void> {
  const params = { path: { gen_id: clip.id } };
  const isFavorite = !markOf(clip).isFavorite;
  const body = {};
  if (isFavorite) await bodyOf(api.POST("/api/favorites/{gen_id}", { params, body }));
  else await bodyOf(api.DELETE("/api/favorites/{gen_id}", { params, body }));
  change(clip, { isFavorite });
}

export async function deleteClip(clip: Clip): Promise<void> {
  await bodyOf(api.DELETE("/api/library/{gen_id}", { params: { path: { gen_id: clip.id } }, body: {} }));
  deleted.value = new Set([...deleted.value, clip.id]);
}

export function isOwn(clip: Clip): boolean {
  return clip.user_id === accountId;
}

/** Return the categories of a clip, which the API sends as JSON in a string. */
export function categoriesOf(clip: Clip): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(clip.category ?? "[]");
    return Array.isArray(parsed) ? parsed.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

/** Make a track of a clip. Return the ID of the track. */
export async function copyToTracks(clip: Clip): Promise<string> {
  const { data } = await bodyOf(api.POST("/api/tracks/from-clip", { body: { clip_id: clip.id } }));
  return data.id;
}

function change(clip: Clip, changed: Partial<Mark>): void {
  marks.value = new Map(marks.value).set(clip.id, { ...markOf(clip), ...changed });
}
