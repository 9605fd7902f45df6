-- Separate the selected item of Reaper, and insert each stem at its position, on a track of its own.
--
-- Actions > New action > Load ReaScript loads this file. It runs the command line of Soundwright, which must be installed and know
-- your server: `soundwright login`. Set COMMAND to the full path of soundwright if Reaper does not find it.
local COMMAND = "soundwright"
local MODEL = "auto"

local function separate()
  local item = reaper.GetSelectedMediaItem(0, 0)
  local take = item and reaper.GetActiveTake(item)
  if not take then return "Select an audio item first." end
  local song = reaper.GetMediaSourceFileName(reaper.GetMediaItemTake_Source(take), "")
  local folder = reaper.GetProjectPath("") .. "/stems"
  local name = song:match("([^/\\]+)%.%w+$") or "song"
  local stems = folder .. "/" .. name
  local command = string.format(
    '"%s" separate "%s" --model %s --output "%s" --filename "%s/{stem}.{ext}"', COMMAND, song, MODEL, folder, name)
  local answer = reaper.ExecProcess(command, 0)  -- waits for its end
  if not answer then return "The command does not start. Set COMMAND in this script to the path of soundwright." end
  if answer:match("^%-?%d+") ~= "0" then return answer end

  local position = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
  local offset = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS")
  local length = reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
  local number = 0
  local file = reaper.EnumerateFiles(stems, number)
  while file do
    local index = reaper.CountTracks(0)
    reaper.InsertTrackAtIndex(index, true)
    local track = reaper.GetTrack(0, index)
    reaper.GetSetMediaTrackInfo_String(track, "P_NAME", file:gsub("%.%w+$", ""), true)
    local added = reaper.AddMediaItemToTrack(track)
    reaper.SetMediaItemInfo_Value(added, "D_POSITION", position)
    reaper.SetMediaItemInfo_Value(added, "D_LENGTH", length)
    local stem = reaper.AddTakeToMediaItem(added)
    reaper.SetMediaItemTake_Source(stem, reaper.PCM_Source_CreateFromFile(stems .. "/" .. file))
    reaper.SetMediaItemTakeInfo_Value(stem, "D_STARTOFFS", offset)
    number = number + 1
    file = reaper.EnumerateFiles(stems, number)
  end
  reaper.UpdateArrange()
end

reaper.Undo_BeginBlock()
local problem = separate()
reaper.Undo_EndBlock("Separate with Soundwright", -1)
if problem then reaper.ShowMessageBox(problem, "Soundwright", 0) end
