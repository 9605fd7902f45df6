/** Finds tracks for a setlist. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { api, dataOf, type Track } from "../../api/client.ts";
import { useLoaded } from "../../api/requests.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Field, Section } from "../../ui/forms.tsx";
import { KeyAndTempo } from "./facts.tsx";

const FOUND_LIMIT = 10;
const SEARCH_MILLISECONDS = 250;

export function AddTracks({ onAdd }: { onAdd: (track: Track) => void }) {
  const [search, setSearch] = useState("");
  const [sought, setSought] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSought(search), search ? SEARCH_MILLISECONDS : 0);
    return () => clearTimeout(timer);
  }, [search]);
  const find = useCallback(
    () => dataOf(api.GET("/api/tracks", { params: { query: { page_size: FOUND_LIMIT, q: sought } } })),
    [sought],
  );
  const { value: found, problem } = useLoaded<readonly Track[]>(find);
  return (
    <Section title="Add tracks" problem={problem} isLoading={!found}>
      <Field label="Search your tracks" type="search" value={search} onInput={setSearch} />
      {found && found.length > 0 && (
        <ul class="panel list" aria-label="Tracks to add">
          {found.map((track) => (
            <li key={track.id}>
              <span class="title">
                {track.title}
                <span class="quiet"> {track.artist}</span>
              </span>
              <KeyAndTempo track={track} />
              <Button label={`Add ${track.title}`} onClick={() => onAdd(track)}>
                Add
              </Button>
            </li>
          ))}
        </ul>
      )}
      {found?.length === 0 && (
        <Notice>{sought ? "No track matches the search." : "You have no tracks yet. Upload one first."}</Notice>
      )}
    </Section>
  );
}
