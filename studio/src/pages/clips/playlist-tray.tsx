/** The playlists that a dragged clip can be dropped on. For keyboards and phones, "More about" a clip does the same. */

import { useEffect, useState } from "preact/hooks";
import { loadPlaylists, playlists } from "../../api/playlists.ts";
import type { Playlist } from "../../api/client.ts";

interface TrayProps {
  readonly onDrop: (playlist: Playlist) => void;
  readonly onProblem: (problem: string) => void;
}

export function PlaylistTray({ onDrop, onProblem }: TrayProps) {
  const [over, setOver] = useState("");
  useEffect(() => {
    loadPlaylists().catch((error: Error) => onProblem(error.message));
  }, [onProblem]);
  const known = playlists.value;
  if (!known) return null;
  return (
    <div class="panel playlist-tray">
      <p class="quiet">{known.length > 0 ? "Drop the clip on a playlist" : "No playlists yet"}</p>
      <ul class="list" aria-label="Playlists to drop the clip on">
        {known.map((playlist) => (
          <li
            key={playlist.id}
            class={playlist.id === over ? "over" : ""}
            onDragOver={(event) => {
              event.preventDefault();
              setOver(playlist.id);
            }}
            onDragLeave={() => setOver("")}
            onDrop={(event) => {
              event.preventDefault();
              onDrop(playlist);
            }}
          >
            <span class="title">{playlist.name}</span>
            <span class="quiet number">{playlist.track_count}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
