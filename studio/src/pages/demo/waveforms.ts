/** The addresses of the waveforms of the demo song, by the types of its stems. */

const files = import.meta.glob<string>("./*.dat", { query: "?url", import: "default", eager: true });

export const waveforms: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(files).map(([path, address]) => [path.slice(2, -4), address]),
);
