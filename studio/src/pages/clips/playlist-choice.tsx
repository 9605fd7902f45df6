/** Adds a clip to a playlist, also to a new one. */

import { useEffect, useState } from "preact/hooks";
import type { Clip } from "../../api/client.ts";
import { addToPlaylist, createPlaylist, loadPlaylists, playlists } from "../../api/playlists.ts";
import { Button } from "../../ui/components.tsx";

const NEW = "new";

export function PlaylistChoice({ clip }: { clip: Clip }) {
  const [chosen, choose] = useState("");
  const [name, setName] = useState("");
  const [message, setMessage] = useState("");
  useEffect(() => {
    loadPlaylists().catch((error: Error) => setMessage(error.message));
  }, []);
  const known = playlists.value ?? [];
  const target = chosen || (known[0]?.id ?? NEW);
  const add = async () => {
    try {
      const playlist =
        target === NEW ? await createPlaylist(name.trim()) : known.find((playlist) => playlist.id === target);
      if (!playlist) return;
      choose(playlist.id);
      await addToPlaylist(playlist.id, clip);
      setName("");
      setMessage(`Added to ${playlist.name}.`);
    } catch (error) {
      setMessage((error as Error).message);
    }
  };
  return (
    <section aria-label="Playlist" class="clip-section">
      <h3>Playlist</h3>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <select
          class="input"
          aria-label="Playlist"
          value={target}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          {known.map((playlist) => (
            <option key={playlist.id} value={playlist.id}>
              {playlist.name}
            </option>
          ))}
          <option value={NEW}>New playlist</option>
        </select>
        {target === NEW && (
          <input
            class="input"
            aria-label="Name of the new playlist"
            placeholder="Name"
            required
            maxLength={100}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
        <Button label="Add to the playlist" disabled={target === NEW && name.trim() === ""} onClick={() => void add()}>
          Add
        </Button>
      </form>
      <p role="status" class="quiet">
        {message}
      </p>
    </section>
  );
}
