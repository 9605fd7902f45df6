#!/bin/sh
# Separate the new songs of a folder. Each song gets a ZIP archive with its stems beside it.
#
#   15 3 * * *  soundwright-inbox "$HOME/inbox"     (a line for crontab -e)
#
# ~/.config/soundwright/header holds one line, "Authorization: Bearer TOKEN", which only you can read. On the command line of curl,
# other users of the machine would see the token.
set -eu
server=${SOUNDWRIGHT_SERVER:-http://127.0.0.1:4000}
header=${SOUNDWRIGHT_HEADER:-$HOME/.config/soundwright/header}

call() { curl --fail-with-body --silent --show-error --retry 5 --header "@$header" "$@"; }
value() { grep -o "\"$1\": *\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }

separate() {  # prints the ID of the track, once its stems are there, or the answer of the server that says why not
  # The same key gives the same track and job, so a run after an interruption goes on where that one ended.
  key=$(sha256sum < "$1" | cut -c -32)-$(date +%F)
  name=$(basename "$1")
  answer=$(call "$server/api/tracks" --header "Idempotency-Key: track-$key" \
    --form "file=@-;filename=song.${name##*.}" --form-string "title=${name%.*}" < "$1") || { echo "$answer"; return 1; }
  track=$(echo "$answer" | value id)
  answer=$(call "$server/api/processing/separate" --header "Idempotency-Key: stems-$key" \
    --json "{\"track_id\": \"$track\", \"model\": \"auto\"}") || { echo "$answer"; return 1; }
  job=$(echo "$answer" | value job_id)
  while answer=$(call "$server/api/jobs/$job"); do
    case $(echo "$answer" | value status) in
      completed) echo "$track"; return ;;
      failed) break ;;
    esac
    sleep 2
  done
  echo "$answer"
  return 1
}

problems=0
for song in "$1"/*; do
  case $song in *.flac | *.m4a | *.mp3 | *.ogg | *.wav) ;; *) continue ;; esac
  [ ! -e "$song.zip" ] || continue
  if track=$(separate "$song") && call "$server/export/stems/$track" --output "$song.zip.part"; then
    mv "$song.zip.part" "$song.zip"
  else
    echo "$song: $track" >&2
    problems=1
  fi
done
exit $problems
