/** Keeps the separated tracks of a setlist in the browser, so that they play without a server. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api, dataOf, type Track } from "../../api/client.ts";
import { isConnected } from "../../api/connection.ts";
import { isKept, isSupported, keepOffline } from "../../api/offline.ts";
import { useAction } from "../../api/requests.ts";
import { Button, Notice } from "../../ui/components.tsx";

export function KeepSetlist({ tracks }: { tracks: readonly Track[] }) {
  const { isBusy, problem, run } = useAction();
  const [share, setShare] = useState(0);
  const controller = useRef(new AbortController());
  useEffect(() => () => controller.current.abort(), []);
  const all = [...new Map(tracks.map((track) => [track.id, track])).values()];
  const missing = all.filter(({ id, stem_count: stems }) => stems > 0 && !isKept(id));
  const count = all.filter(({ id }) => isKept(id)).length;
  const hasUnseparated = all.some((track) => track.stem_count === 0);
  if (!isSupported) return null;
  const keep = () =>
    run(async () => {
      for (const track of missing) {
        const params = { path: { track_id: track.id } };
        const stems = await dataOf(api.GET("/api/tracks/{track_id}/stems", { params }));
        await keepOffline(track, stems, setShare, controller.current.signal);
        setShare(0);
      }
    });
  return (
    <>
      <div class="row">
        {missing.length > 0 && isConnected.value && (
          <Button label="Keep offline: all tracks of the setlist" disabled={isBusy} onClick={() => void keep()}>
            Keep offline
          </Button>
        )}
        <span class="quiet" role="status">
          {count} of {all.length === 1 ? "1 track" : `${all.length} tracks`} can play without the server.
          {isBusy && ` Loading the next one: ${Math.floor(100 * share)} %.`}
          {hasUnseparated && isConnected.value && " Separate the others to keep them, too."}
        </span>
      </div>
      {problem && <Notice look="bad">{problem}</Notice>}
    </>
  );
}
