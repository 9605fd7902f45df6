/** Playlists, and the stations of the radio. */

import "./playlists.css";
import { useState } from "preact/hooks";
import type { Playlist } from "../../api/client.ts";
import { createPlaylist, loadPlaylists, playlists } from "../../api/playlists.ts";
import { useLoaded } from "../../api/requests.ts";
import { navigate } from "../../router.ts";
import { Notice } from "../../ui/components.tsx";
import { Field, Form, Submit } from "../../ui/forms.tsx";
import { timeText } from "../../waveform/view.ts";
import { Radio } from "./radio.tsx";

export default function PlaylistsPage() {
  const { problem: unloaded } = useLoaded(loadPlaylists);
  const [failure, setProblem] = useState("");
  const problem = unloaded || failure;
  const known = playlists.value;
  return (
    <div class="page">
      <h1>Playlists</h1>
      {problem && <Notice look="bad">{problem}</Notice>}
      <NewPlaylist onProblem={setProblem} />
      {known && known.length > 0 && (
        <ul class="panel list" aria-label="Playlists">
          {known.map((playlist) => (
            <Row key={playlist.id} playlist={playlist} />
          ))}
        </ul>
      )}
      {known?.length === 0 && (
        <p class="quiet">
          No playlists yet. Create one, and add <a href="/studio/clips">clips</a> with “More about” a clip, or by
          dragging a clip.
        </p>
      )}
      <Radio />
    </div>
  );
}

function Row({ playlist }: { playlist: Playlist }) {
  const count = playlist.track_count;
  return (
    <li>
      <a class="title" href={`/studio/playlists/${playlist.id}`}>
        {playlist.name}
      </a>
      <span class="quiet">
        {count === 1 ? "1 clip" : `${count} clips`}, <span class="number">{timeText(playlist.duration)}</span>
      </span>
      {playlist.is_public ? <span class="badge">public</span> : <span />}
    </li>
  );
}

function NewPlaylist({ onProblem }: { onProblem: (problem: string) => void }) {
  const [name, setName] = useState("");
  const create = () => {
    onProblem("");
    createPlaylist(name.trim()).then(
      ({ id }) => navigate(`/studio/playlists/${id}`),
      (error: Error) => onProblem(error.message),
    );
  };
  return (
    <Form label="New playlist" onSubmit={create}>
      <Field label="Name of a new playlist" value={name} required maxLength={100} onInput={setName} />
      <Submit disabled={name.trim() === ""}>Create</Submit>
    </Form>
  );
}
