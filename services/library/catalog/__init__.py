"""Generated clips, and what listeners do with them: votes, tags, favorites, playlists, plays and trends."""
