/** The radio: stations that play without an end. */

import { useState } from "preact/hooks";
import { api, type Clip } from "../../api/client.ts";
import { bodyOf, useLoaded } from "../../api/requests.ts";
import * as player from "../../player/player.ts";
import { Button, Notice } from "../../ui/components.tsx";

const CLIPS = 10;
const MORE = 5;
const EXCLUDED = 200;

async function loadStations(): Promise<readonly string[]> {
  return (await bodyOf(api.GET("/api/radio", { params: { query: { limit: 1 } } }))).stations;
}

export function Radio() {
  const { value: stations, problem: unloaded } = useLoaded(loadStations);
  const [message, setMessage] = useState("");
  const [failure, setProblem] = useState("");
  const problem = unloaded || failure;
  const listen = async (station: string) => {
    setMessage("");
    setProblem("");
    try {
      const clips = await clipsOf(station);
      if (clips.length === 0) setMessage(`The station ${nameOf(station)} has no clips yet.`);
      else player.play(clips, 0, { name: "radio", more: (played) => more(station, played) });
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <section aria-labelledby="radio" class="radio">
      <h2 id="radio">Radio</h2>
      <div class="row">
        {stations?.map((station) => (
          <Button
            key={station}
            label={`Play the station ${nameOf(station)}`}
            icon="play"
            onClick={() => void listen(station)}
          >
            {nameOf(station)}
          </Button>
        ))}
      </div>
      <p class="quiet" role="status">
        {message}
      </p>
      {problem && <Notice look="bad">{problem}</Notice>}
    </section>
  );
}

async function clipsOf(station: string): Promise<readonly Clip[]> {
  const params = { query: { station, limit: CLIPS } };
  return (await bodyOf(api.GET("/api/radio", { params }))).queue;
}

/** Go on with other clips of the station, and when they are used up, with any others. */
async function more(station: string, played: readonly Clip[]): Promise<readonly Clip[]> {
  const known = new Set(played.map(({ id }) => id));
  const fresh = station === "shuffle" ? [] : (await clipsOf(station)).filter(({ id }) => !known.has(id));
  if (fresh.length > 0) return fresh;
  const exclude = [...known].slice(-EXCLUDED).join(",");
  const params = { query: { exclude, count: MORE } };
  return (await bodyOf(api.GET("/api/radio/next", { params }))).tracks;
}

function nameOf(station: string): string {
  return station.charAt(0).toUpperCase() + station.slice(1).replaceAll("-", " ");
}
