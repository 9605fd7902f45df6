/** Downloads of the mix as it is heard, of one stem, and of all stems. */

import { useState } from "preact/hooks";
import { api, dataOf, getFile, refusal, type Track } from "../../api/client.ts";
import { finished } from "../../api/jobs.ts";
import { useAction } from "../../api/requests.ts";
import { transposedKey } from "../../music/keys.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Choice } from "../../ui/forms.tsx";
import { RunningJobs } from "./actions.tsx";
import type { Player } from "./player.ts";

const FORMATS = [
  ["wav16", "WAV, 16 bits"],
  ["wav24", "WAV, 24 bits"],
  ["wav32f", "WAV, 32-bit float"],
  ["flac", "FLAC, 24 bits"],
  ["mp3", "MP3, 320 kbit/s"],
  ["m4a", "M4A (AAC), 256 kbit/s"],
] as const;
const STEM_FILES = [
  ["stem_mp4", "Stem file for DJs (AAC)"],
  ["stem_mp4_alac", "Stem file for DJs (ALAC, lossless)"],
] as const;
/** What was read from the recording: the name, the formats, and the paths. */
const FACTS = {
  chords: {
    text: "Chords",
    formats: [
      ["cho", "ChordPro, a chord sheet"],
      ["lab", "LAB, chords with their times"],
    ],
    path: (trackId: string, format: string) => `/export/chords/${trackId}.${format}`,
  },
  lyrics: {
    text: "Lyrics",
    formats: [
      ["lrc", "LRC, lines and words with their times"],
      ["txt", "TXT, plain text"],
    ],
    path: (trackId: string, format: string) => `/export/lyrics/${trackId}.${format}`,
  },
  notes: {
    text: "Notes",
    formats: [["mid", "MIDI, a track for each stem"]],
    path: (id: string) => `/export/midi/${id}`,
  },
  click: { text: "Click track", formats: [["wav", "WAV, 16 bits"]], path: (id: string) => `/export/click/${id}.wav` },
  project: {
    text: "Project with stems",
    formats: [
      ["dawproject", "DAWproject, for Bitwig, Cubase and others"],
      ["reaper", "Reaper"],
    ],
    path: projectPath,
  },
  dj: {
    text: "Track for DJ software",
    formats: [["rekordbox", "rekordbox XML: beat grid and cues, with the recording"]],
    path: projectPath,
  },
} as const;
/** Files that are too large to hold in memory. */
const LARGE: readonly string[] = ["project", "dj"];
type Fact = keyof typeof FACTS;
const MIX = "mix";
const ALL = "all";

export function Downloads({ track, player }: { track: Track; player: Player }) {
  const [wanted, setPart] = useState(MIX);
  const [format, setFormat] = useState("wav16");
  const { isBusy, problem, run } = useAction();
  const stems = player.isWhole ? [] : player.ownStems;
  const { analysis, chords, grid, lyrics, parts: notes } = player.music;
  const isThere = {
    chords: chords.value.length > 0,
    lyrics: lyrics.value.length > 0,
    notes: notes.value.length > 0,
    click: grid.value.beats.length > 1 && analysis.value?.bars !== undefined,
    project: stems.length > 0,
    dj: grid.value.beats.length > 1,
  };
  const facts = (Object.keys(FACTS) as Fact[]).filter((name) => isThere[name]);
  const parts: readonly (readonly [string, string])[] = [
    ...(stems.length > 0
      ? ([
          [MIX, "The mix as you hear it"],
          [ALL, "All stems"],
        ] as const)
      : []),
    ...stems.map((stem) => [stem.id, `Only ${stem.stem_type}`] as const),
    ...facts.map((name) => [name, FACTS[name].text] as const),
  ];
  const part = (parts.find(([name]) => name === wanted) ?? parts[0])?.[0];
  if (part === undefined) return null;
  const fact = facts.find((name) => name === part);
  const offered = fact ? FACTS[fact].formats : part === ALL ? [...FORMATS, ...STEM_FILES] : FORMATS;
  const [chosen, chosenText] = offered.find(([name]) => name === format) ?? offered[0];
  const isStemFile = chosen.startsWith("stem");
  const extension = chosen.startsWith("wav") ? "wav" : chosen;
  const name = isStemFile ? "stem file" : `${chosenText.replace(/[ ,].*/, "")}${part === ALL ? " files" : ""}`;
  const text = isBusy ? "Preparing…" : `Download ${name}`;
  const start = () => {
    if (fact) {
      const path = FACTS[fact].path(track.id, chosen);
      return LARGE.includes(fact) ? Promise.resolve(follow(path, "")) : saveFile(path);
    }
    if (part === MIX) return saveMix(track, player, chosen, extension);
    return part === ALL ? saveAll(track, player, chosen) : saveFile(`/export/stem/${part}?format=${chosen}`);
  };
  return (
    <section class="panel downloads" aria-label="Download">
      <div class="form">
        <Choice label="Download" value={part} options={parts} onInput={setPart} />
        <Choice label="Format" value={chosen} options={offered} onInput={setFormat} />
        <Button label={text} look="primary" disabled={isBusy} onClick={() => void run(start)}>
          {text}
        </Button>
      </div>
      {part === MIX && player.switched.value.size > 0 && <p class="quiet">The download mixes separation A.</p>}
      {isStemFile && (
        <p class="quiet">
          One .stem.mp4 file with the mix, drums, bass, other and vocals, for Traktor, Mixxx and other DJ software.
        </p>
      )}
      {fact && <p class="quiet">At the speed and in the key of the recording, with your corrections.</p>}
      {part !== MIX && !fact && <p class="quiet">Stems begin at the start of the song, at its speed and pitch.</p>}
      <RunningJobs trackId={track.id} type="export" />
      {problem && <Notice look="bad">{problem}</Notice>}
    </section>
  );
}

function projectPath(trackId: string, format: string): string {
  return `/export/project/${trackId}?format=${format}`;
}

/** Save the mix with the levels, mutes, speed and pitch of the player. */
async function saveMix(track: Track, player: Player, format: string, extension: string): Promise<void> {
  const form = new FormData();
  form.append("track_id", track.id);
  form.append("separation_id", player.stems[0]?.processing_job_id ?? "");
  form.append("manifest", player.manifest(format));
  const { data, error, response } = await api.POST("/api/daw/export", {
    body: form as never,
    bodySerializer: (body) => body as unknown as FormData,
    parseAs: "blob",
  });
  if (!data) throw refusal(response.status, error);
  const bpm = track.bpm && `${(track.bpm * player.speed.value).toFixed(0)} bpm`;
  const key = transposedKey(track.key ?? "", player.semitones.value);
  const name = [track.title.replaceAll(/[/\\:*?"<>|]/g, ""), "mix", bpm, key].filter(Boolean).join(" - ");
  save(data as Blob, `${name}.${extension}`);
}

async function saveFile(path: string): Promise<void> {
  const { blob, name } = await getFile(path);
  save(blob, name);
}

async function saveAll(track: Track, player: Player, format: string): Promise<void> {
  const body = { track_id: track.id, format, separation_id: player.stems[0]?.processing_job_id ?? "" };
  const { job_id } = await dataOf(api.POST("/api/export/stems", { body }));
  const job = await finished(job_id);
  if (job.status !== "completed") throw new Error(job.error ?? "The export failed. Try again.");
  follow(`/export/archive/${job_id}`, "");
}

function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  follow(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function follow(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}
