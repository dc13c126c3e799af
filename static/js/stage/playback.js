/**
 * What a video does, as far as the comments over it are concerned. They stand while it is paused, and fly while it plays, after
 * its end, and over a video that cannot be played. While it waits for data, those over a film stand, since they belong to the
 * picture that stands; those over a live stream fly, since the room goes on talking.
 */

/** @typedef {'playing' | 'paused' | 'waiting' | 'ended'} Playback */

/** The events of a video after which its playback or whether it is live may have changed. */
export const PLAYBACK_EVENTS = [
  'play', 'playing', 'pause', 'waiting', 'stalled', 'canplay', 'seeking', 'seeked', 'ended', 'loadedmetadata', 'durationchange', 'emptied', 'error',
];

/** @param {HTMLVideoElement} video @returns {Playback} */
export function playbackOf(video) {
  if (video.ended || video.error !== null) return 'ended';
  if (video.readyState === HTMLMediaElement.HAVE_NOTHING) return 'playing'; // there is no picture that could stand
  if (video.paused) return 'paused';
  return video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA ? 'waiting' : 'playing';
}

/** Whether a video is a live stream, as far as the element knows. @param {HTMLVideoElement} video */
export function isLive(video) {
  return video.duration === Infinity;
}

/** Whether comments move. @param {Playback} playback @param {boolean} live */
export function commentsMove(playback, live) {
  return playback === 'playing' || playback === 'ended' || (playback === 'waiting' && live);
}
