/** A track that somebody shares with a link. It plays without an account, and nothing can be changed. */

import { useCallback, useEffect, useRef } from "preact/hooks";
import { type Analysis, api, dataOf, type Stem, type Stems, type Track } from "../../api/client.ts";
import { useLoaded } from "../../api/requests.ts";
import { Notice } from "../../ui/components.tsx";
import { Loading } from "../../ui/forms.tsx";
import { Desk, Head, mediaOf } from "../track/page.tsx";
import { type PlayedStem, wholeStems } from "../track/sources.ts";
import { Whole } from "../track/whole.tsx";

export default function SharedPage({ id: secret }: { id: string }) {
  const first = useRef<Awaited<ReturnType<typeof loadShared>> | null>(null);
  // What was loaded stays when the server is back: another recording would end playback.
  const load = useCallback(async () => (first.current ??= await loadShared(secret)), [secret]);
  const { value: shared, problem } = useLoaded(load);
  useEffect(() => {
    if (shared) document.title = `${shared.track.title} · Soundwright`;
  }, [shared]);
  if (problem)
    return (
      <div class="page">
        <Notice look="bad">{problem}</Notice>
      </div>
    );
  if (!shared) return <Loading />;
  const { track, analysis, recording, base } = shared;
  return (
    <div class="page track">
      <Head track={track} analysis={analysis} />
      {recording ? (
        <Desk track={track} analysis={analysis} recording={recording} />
      ) : (
        <Whole
          trackId={track.id}
          media={mediaOf(track)}
          audio={`${base}/audio`}
          waveform={`${base}/waveform`}
          seconds={track.duration_seconds}
          frameCount={track.frame_count ?? 0}
        />
      )}
      <p class="quiet">
        Somebody shares this track with you. Your settings of the mixer stay in this browser. The link works until{" "}
        {new Date(shared.expiresAt).toLocaleDateString(undefined, { dateStyle: "long" })}.
      </p>
    </div>
  );
}

async function loadShared(secret: string) {
  const found = await dataOf(api.GET("/api/shared/{secret}", { params: { path: { secret } } }));
  const base = `/api/shared/${secret}`;
  const played = (stem: Stem): PlayedStem => ({ ...stem, base: `${base}/stems/${stem.id}` });
  const { title, artist, album, duration_seconds, frame_count, bpm, key, cover_path, corrections } = found;
  // What the page shows of a track. It has no other fields.
  const track = {
    id: found.stems[0]?.track_id ?? secret,
    title,
    artist,
    album,
    duration_seconds,
    frame_count,
    bpm,
    key,
    cover_path,
    corrections,
    filename: null,
  } as Track;
  const analysis = found.analysis as Analysis | null;
  const stems: Stems | null =
    found.stems.length > 0
      ? { mix: found.mix && played(found.mix), stems: found.stems.map(played), separations: [] }
      : analysis && wholeStems(track.id, duration_seconds, frame_count, `${base}/audio`, `${base}/waveform`);
  return {
    base,
    track,
    analysis,
    recording: stems && { stems, other: null, position: null },
    expiresAt: found.expires_at ?? "",
  };
}
