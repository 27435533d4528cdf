// Plays takes through <audio>. Until the whole of a take has its sound, a part from where one listens is played.
import { soundAddress } from "./api.js";

const FIRST = 4000, PART = 12000; // ms

export class Player {
  constructor(onState, onSilence) {
    this.onState = onState;
    this.onSilence = onSilence;
    this.take = null;
    this.whole = new Map(); // by sound key: audio element of the whole
    this.audio = null;
    this.offset = 0;
    this.rest = 0; // ms where it stands while nothing plays
    this.playing = false;
    this.speed = 1;
  }

  get time() {
    return this.audio && !this.waiting ? this.offset + 1000 * this.audio.currentTime : this.rest;
  }

  get place() { return this.take ? this.take.placeOf(this.time) : 0; }

  get waiting() { return this.audio !== null && this.audio.readyState < 2; }

  // The same place of the score in another take. What sounds goes on until the other is ready to sound.
  setTake(take) {
    const place = this.place;
    if (this.playing && !this.next && this.take.sound === take.sound) { this.take = take; return; }
    if (!this.take || !this.playing) {
      this.take = take;
      this.rest = this.limited(take.timeOf(place));
      this.onState();
      return;
    }
    const { audio, offset } = this._source(take, Math.min(take.timeOf(place), take.end - 1));
    this.next?.pause();
    this.next = audio;
    const change = () => {
      if (this.next !== audio) return;
      const time = Math.min(take.timeOf(this.place), take.end - 1);
      this._drop();
      this.take = take;
      this.rest = time;
      if (this.playing) this._run(audio, offset, time);
      this.onState();
    };
    if (audio.readyState >= 2) change(); else audio.addEventListener("canplay", change, { once: true });
  }

  limited(time) { return Math.max(0, Math.min(time, this.take ? this.take.end : 0)); }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  play() {
    if (!this.take) return;
    this.playing = true;
    this._start(this.rest >= this.take.end - 50 ? 0 : this.rest);
    this.onState();
  }

  pause() {
    this.rest = this.limited(this.time);
    this.playing = false;
    this._drop();
    this.onState();
  }

  seek(time) {
    this.rest = this.limited(time);
    if (this.playing) this._start(this.rest);
    this.onState();
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.audio) this.audio.playbackRate = speed;
  }

  _start(time, length) {
    this._drop();
    this.rest = time;
    const { audio, offset } = this._source(this.take, time, length);
    this._run(audio, offset, time);
  }

  // What to play a take by from a time on: the whole where it is there, else a part.
  _source(take, time, length = FIRST) {
    const whole = this.whole.get(take.sound);
    if (whole && whole.readyState >= 2) return { audio: whole, offset: 0 };
    const offset = Math.floor(time);
    const audio = new Audio(soundAddress(take.sound, `?start=${offset}&stop=${offset + length}`));
    audio.stop = offset + length;
    audio.preload = "auto";
    if (!whole && take.key !== "preview") audio.addEventListener("canplay", () => this._fetch(take.sound), { once: true }); // a preview is soon replaced
    return { audio, offset };
  }

  _fetch(sound) {
    if (this.whole.has(sound)) return;
    const audio = new Audio();
    audio.preload = "auto";
    audio.src = soundAddress(sound);
    this.whole.set(sound, audio);
    for (const key of [...this.whole.keys()].slice(0, -6)) this.whole.delete(key);
  }

  _run(audio, offset, time) {
    this.audio = audio;
    this.offset = offset;
    audio.preservesPitch = true;
    audio.playbackRate = this.speed;
    const from = (time - offset) / 1000;
    if (Math.abs(audio.currentTime - from) > 0.002) audio.currentTime = from;
    audio.onended = () => this._ended(audio);
    audio.onerror = () => { if (this.audio === audio) { this.pause(); this.onSilence(); } };
    audio.onplaying = () => this.onState();
    audio.play().catch(() => { if (this.audio === audio) this.pause(); });
  }

  _ended(audio) {
    if (this.audio !== audio) return;
    const now = this.offset + 1000 * audio.currentTime;
    if (this.whole.get(this.take.sound) !== audio) {
      const next = Math.min(now, audio.stop);
      if (next < this.take.end) { this._start(next, PART); return; }
    }
    this._drop();
    this.playing = false;
    this.rest = 0;
    this.onState();
  }

  _drop() {
    this.next = null;
    if (!this.audio) return;
    const audio = this.audio;
    audio.onended = audio.onerror = audio.onplaying = null;
    audio.pause();
    this.audio = null;
  }
}
