/** A setlist: its tracks in their order, with keys and tempi. */

import "./setlists.css";
import { useCallback, useState } from "preact/hooks";
import type { SetlistWithTracks, Track } from "../../api/client.ts";
import { isConnected } from "../../api/connection.ts";
import { isKept } from "../../api/offline.ts";
import { changeSetlist, deleteSetlist, getSetlist } from "../../api/setlists.ts";
import { useAction, useLoaded } from "../../api/requests.ts";
import { navigate } from "../../router.ts";
import { Cover, Notice } from "../../ui/components.tsx";
import { Confirm, Field, Form, Missing, Submit } from "../../ui/forms.tsx";
import { OrderedList } from "../../ui/ordered-list.tsx";
import { timeText } from "../../waveform/view.ts";
import { AddTracks } from "./add-tracks.tsx";
import { KeyAndTempo } from "./facts.tsx";
import { KeepSetlist } from "./keep.tsx";

export default function SetlistPage({ id }: { id: string }) {
  const load = useCallback(() => getSetlist(id), [id]);
  const { value: setlist, problem, reload } = useLoaded(load);
  const action = useAction();
  // The tracks that are being stored, until the server has confirmed them.
  const [order, setOrder] = useState<readonly Track[] | null>(null);
  if (!setlist) return <Missing problem={problem} action={<a href="/studio/setlists">All setlists</a>} />;
  const tracks = order ?? setlist.tracks;
  const store = (changed: readonly Track[]) => {
    setOrder(changed);
    void action
      .run(() => changeSetlist(id, { track_ids: changed.map((track) => track.id) }))
      .then(reload)
      .then(() => setOrder((latest) => (latest === changed ? null : latest)));
  };
  const seconds = tracks.reduce((sum, track) => sum + track.duration_seconds, 0);
  return (
    <div class="page">
      <div class="row apart">
        <div>
          <h1 class="setlist-name">{setlist.name}</h1>
          <p class="quiet">
            {tracks.length === 1 ? "1 track" : `${tracks.length} tracks`},{" "}
            <span class="number">{timeText(seconds)}</span>
          </p>
        </div>
        {tracks.length > 0 && (
          <a class="button primary" href={`/studio/setlists/${id}/1`}>
            Play the setlist
          </a>
        )}
      </div>
      {(problem || action.problem) && <Notice look="bad">{action.problem || problem}</Notice>}
      {tracks.length > 0 && (
        <OrderedList
          label="Tracks of the setlist"
          entries={tracks}
          nameOf={(track) => track.title}
          isEditable={isConnected.value}
          onOrder={(changed) => store(changed)}
          onRemove={(_, index) => store(tracks.filter((_track, each) => each !== index))}
        >
          {(track, index) => (
            <>
              <Cover path={track.cover_path} />
              <span class="title">
                <a href={`/studio/setlists/${id}/${index + 1}`}>{track.title}</a>
                <span class="quiet"> {track.artist}</span> {isKept(track.id) && <span class="badge">kept offline</span>}
              </span>
              <KeyAndTempo track={track} />
            </>
          )}
        </OrderedList>
      )}
      {tracks.length > 0 && <KeepSetlist tracks={tracks} />}
      {isConnected.value && (
        <>
          <AddTracks onAdd={(track) => store([...tracks, track])} />
          <Settings key={setlist.name} setlist={setlist} onChange={reload} />
        </>
      )}
    </div>
  );
}

function Settings({ setlist, onChange }: { setlist: SetlistWithTracks; onChange: () => Promise<void> }) {
  const [name, setName] = useState(setlist.name);
  const { problem, run } = useAction();
  const rename = () => run(() => changeSetlist(setlist.id, { name: name.trim() }).then(onChange));
  return (
    <section aria-label="Settings" class="section">
      <Form label="Name" onSubmit={() => void rename()}>
        <Field label="Name of the setlist" value={name} required maxLength={100} onInput={setName} />
        <Submit disabled={name.trim() === "" || name.trim() === setlist.name}>Rename</Submit>
      </Form>
      {problem && <Notice look="bad">{problem}</Notice>}
      <div class="row">
        <Confirm
          label="Delete the setlist"
          text="Delete the setlist"
          question="The setlist is deleted for good. Its tracks stay."
          onConfirm={() => void run(() => deleteSetlist(setlist.id).then(() => navigate("/studio/setlists")))}
        />
      </div>
    </section>
  );
}
