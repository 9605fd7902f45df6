/** A playlist: its clips in their order, which dragging and buttons change. */

import "./playlists.css";
import { useCallback, useState } from "preact/hooks";
import type { PlaylistWithTracks } from "../../api/client.ts";
import {
  deletePlaylist,
  getPlaylist,
  removeFromPlaylist,
  renamePlaylist,
  reorderPlaylist,
  sharePlaylist,
} from "../../api/playlists.ts";
import { useAction, useLoaded } from "../../api/requests.ts";
import * as player from "../../player/player.ts";
import { navigate } from "../../router.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Confirm, Field, Form, Missing, Submit } from "../../ui/forms.tsx";
import { OrderedList } from "../../ui/ordered-list.tsx";
import { timeText } from "../../waveform/view.ts";

type Entry = PlaylistWithTracks["tracks"][number];

export default function PlaylistPage({ id }: { id: string }) {
  const load = useCallback(() => getPlaylist(id), [id]);
  const { value: playlist, problem, reload } = useLoaded(load);
  const action = useAction();
  // The order that is being stored, until the server has confirmed it.
  const [order, setOrder] = useState<readonly Entry[] | null>(null);
  if (!playlist) return <Missing problem={problem} action={<a href="/studio/playlists">All playlists</a>} />;
  const entries = order ?? playlist.tracks;
  const change = async (operation: () => Promise<void>, changed: readonly Entry[] | null = null) => {
    if (changed) setOrder(changed);
    await action.run(operation);
    await reload();
    setOrder((latest) => (latest === changed ? null : latest));
  };
  const play = (index: number) => player.play(entries, index, { name: "playlist" });
  return (
    <div class="page">
      <div class="row apart">
        <h1 class="playlist-name">{playlist.name}</h1>
        <Button
          label="Play the playlist"
          icon="play"
          look="primary"
          disabled={entries.length === 0}
          onClick={() => play(0)}
        >
          Play
        </Button>
      </div>
      {(problem || action.problem) && <Notice look="bad">{action.problem || problem}</Notice>}
      {entries.length === 0 && (
        <p class="quiet">
          This playlist is empty. Add <a href="/studio/clips">clips</a> with “More about” a clip, or by dragging a clip.
        </p>
      )}
      <OrderedList
        label="Clips of the playlist"
        entries={entries}
        nameOf={(entry) => entry.prompt}
        isEditable={playlist.is_owner}
        onOrder={(changed) => {
          const ids = changed.map((entry) => entry.id);
          void change(() => reorderPlaylist(id, ids), changed);
        }}
        onRemove={(entry) => void change(() => removeFromPlaylist(id, entry.id))}
      >
        {(entry, index) => <EntryRow entry={entry} onPlay={() => play(index)} />}
      </OrderedList>
      {playlist.is_owner && <Settings playlist={playlist} onChange={(operation) => void change(operation)} />}
    </div>
  );
}

function EntryRow({ entry, onPlay }: { entry: Entry; onPlay: () => void }) {
  const isCurrent = player.current.value?.id === entry.id;
  const isPlaying = isCurrent && player.state.value !== "paused";
  return (
    <>
      <Button
        label={`${isPlaying ? "Pause" : "Play"} ${entry.prompt}`}
        icon={isPlaying ? "pause" : "play"}
        look="quiet"
        pressed={isCurrent}
        onClick={isCurrent ? player.toggle : onPlay}
      />
      <span class="title">{entry.prompt}</span>
      <span class="number quiet">{timeText(entry.duration)}</span>
    </>
  );
}

interface SettingsProps {
  readonly playlist: PlaylistWithTracks;
  readonly onChange: (operation: () => Promise<void>) => void;
}

function Settings({ playlist, onChange }: SettingsProps) {
  const [name, setName] = useState(playlist.name);
  return (
    <section aria-labelledby="settings" class="radio">
      <h2 id="settings">Settings</h2>
      <Form label="Name" onSubmit={() => onChange(() => renamePlaylist(playlist.id, name.trim()))}>
        <Field label="Name of the playlist" value={name} required maxLength={100} onInput={setName} />
        <Submit disabled={name.trim() === "" || name.trim() === playlist.name}>Rename</Submit>
      </Form>
      <label class="field">
        <input
          type="checkbox"
          checked={playlist.is_public}
          onChange={({ currentTarget: { checked } }) => onChange(() => sharePlaylist(playlist.id, checked))}
        />
        Everybody with the link can see it
      </label>
      <div class="row">
        <Confirm
          label="Delete the playlist"
          text="Delete the playlist"
          question="The playlist is deleted for good. Its clips stay in the library."
          onConfirm={() => onChange(() => deletePlaylist(playlist.id).then(() => navigate("/studio/playlists")))}
        />
      </div>
    </section>
  );
}
