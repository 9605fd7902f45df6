/** The queue of the player: clips in order, and which one is current. Pure functions. */

import type { Clip } from "../api/client.ts";

export interface Queue {
  readonly clips: readonly Clip[];
  /** The place of the current clip, -1 for none. */
  readonly index: number;
}

export const EMPTY: Queue = { clips: [], index: -1 };
const LIMIT = 500;

export function currentOf(queue: Queue): Clip | null {
  return queue.clips[queue.index] ?? null;
}

/** Return the queue at another place; unchanged if there is none. */
export function movedBy(queue: Queue, step: number): Queue {
  const index = queue.index + step;
  return queue.clips[index] ? { ...queue, index } : queue;
}

/** Append clips that are not in the queue yet. A long queue forgets its beginning. */
export function appended(queue: Queue, clips: readonly Clip[]): Queue {
  const known = new Set(queue.clips.map(({ id }) => id));
  const all = [...queue.clips, ...clips.filter(({ id }) => !known.has(id))];
  const forgotten = Math.max(0, Math.min(all.length - LIMIT, queue.index));
  return { clips: all.slice(forgotten, forgotten + LIMIT), index: queue.index - forgotten };
}

/** Remove a clip. The one after the current clip becomes current if that is removed. */
export function without(queue: Queue, id: string): Queue {
  const place = queue.clips.findIndex((clip) => clip.id === id);
  if (place < 0) return queue;
  const clips = queue.clips.filter((clip) => clip.id !== id);
  const index = place < queue.index ? queue.index - 1 : Math.min(queue.index, clips.length - 1);
  return { clips, index };
}
