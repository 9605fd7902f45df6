/** The tracks that a new conversation is about. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { api, dataOf, type Track } from "../../api/client.ts";
import { useLoaded } from "../../api/requests.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Field } from "../../ui/forms.tsx";

const TRACK_LIMIT = 40;
const FOUND_COUNT = 8;

export interface Chosen {
  readonly tracks: readonly Track[];
  readonly problem: string;
  readonly add: (track: Track) => void;
  readonly remove: (id: string) => void;
}

/** The tracks with these IDs at first. */
export function useSubject(ids: readonly string[]): Chosen {
  const [tracks, setTracks] = useState<readonly Track[]>([]);
  const [problem, setProblem] = useState("");
  const joined = ids.join();
  useEffect(() => {
    if (!joined) return;
    const loads = joined.split(",").slice(0, TRACK_LIMIT).map(loadTrack);
    Promise.all(loads).then(setTracks, (error: Error) => setProblem(error.message));
  }, [joined]);
  return {
    tracks,
    problem,
    add: (track) => setTracks([...tracks.filter(({ id }) => id !== track.id), track].slice(0, TRACK_LIMIT)),
    remove: (id) => setTracks(tracks.filter((track) => track.id !== id)),
  };
}

export function Subject({ subject }: { subject: Chosen }) {
  const [search, setSearch] = useState("");
  const load = useCallback(async (): Promise<readonly Track[]> => {
    if (!search.trim()) return [];
    return dataOf(api.GET("/api/tracks", { params: { query: { q: search, page_size: FOUND_COUNT } } }));
  }, [search]);
  const { value: found, problem } = useLoaded(load);
  const chosen = new Set(subject.tracks.map(({ id }) => id));
  const offered = found?.filter(({ id }) => !chosen.has(id)) ?? [];
  return (
    <div class="subject">
      <p>Ask about your music: which tracks go together, what is in a recording, how loud it is, what to separate.</p>
      {(problem || subject.problem) && <Notice look="bad">{problem || subject.problem}</Notice>}
      {subject.tracks.length > 0 && (
        <ul class="row" aria-label="Tracks of the question">
          {subject.tracks.map((track) => (
            <li key={track.id} class="badge active">
              {track.title}
              <Button
                label={`Remove ${track.title}`}
                icon="close"
                look="quiet"
                onClick={() => subject.remove(track.id)}
              />
            </li>
          ))}
        </ul>
      )}
      <Field label="Add a track to the question" type="search" value={search} onInput={setSearch} />
      {offered.length > 0 && (
        <div class="row">
          {offered.map((track) => (
            <Button key={track.id} label={`Add ${track.title}`} icon="plus" onClick={() => subject.add(track)}>
              {track.title}
            </Button>
          ))}
        </div>
      )}
      {search.trim() && found?.length === 0 && <p class="quiet">No track matches.</p>}
    </div>
  );
}

function loadTrack(id: string): Promise<Track> {
  return dataOf(api.GET("/api/tracks/{track_id}", { params: { path: { track_id: id } } }));
}
