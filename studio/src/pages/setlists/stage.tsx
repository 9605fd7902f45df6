/** Plays a setlist: the mixer of one track after another. */

import "./setlists.css";
import { useCallback } from "preact/hooks";
import { getSetlist } from "../../api/setlists.ts";
import { useLoaded } from "../../api/requests.ts";
import { navigate } from "../../router.ts";
import { Notice } from "../../ui/components.tsx";
import TrackPage from "../track/page.tsx";
import { KeyAndTempo } from "./facts.tsx";

/** `id` is the ID of the setlist, a slash, and the number of the track, from 1. */
export default function StagePage({ id: place }: { id: string }) {
  const [id = "", number = ""] = place.split("/");
  const index = Number(number) - 1;
  const load = useCallback(() => getSetlist(id), [id]);
  const { value: setlist, problem } = useLoaded(load);
  const track = setlist?.tracks[index];
  const next = setlist?.tracks[index + 1];
  const addressOf = (other: number) => `/studio/setlists/${id}/${other + 1}`;
  return (
    <>
      <nav class="page stage" aria-label="Setlist">
        {problem && (
          <Notice look="bad" action={<a href="/studio/setlists">All setlists</a>}>
            {problem}
          </Notice>
        )}
        {setlist && (
          <div class="row apart">
            <span>
              <a href={`/studio/setlists/${id}`}>{setlist.name}</a>
              {track && (
                <span class="quiet number">
                  {" "}
                  {index + 1} of {setlist.tracks.length}
                </span>
              )}
            </span>
            <span class="row">
              {track && index > 0 && (
                <a class="button" href={addressOf(index - 1)}>
                  Previous
                </a>
              )}
              {next && (
                <a class="button" href={addressOf(index + 1)}>
                  Next: {next.title} <KeyAndTempo track={next} />
                </a>
              )}
            </span>
          </div>
        )}
        {setlist && !track && <Notice look="bad">The setlist has no such track anymore.</Notice>}
      </nav>
      {track && (
        <TrackPage
          id={track.id}
          isPlaying={navigator.userActivation.hasBeenActive}
          onEnded={next && (() => navigate(addressOf(index + 1)))}
        />
      )}
    </>
  );
}
