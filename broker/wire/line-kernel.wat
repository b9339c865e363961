;; The two inner loops of the product, in WebAssembly: lines into records, and records back into lines (format: record-batch.ts). A line costs
;; some 30 ns here and ten times as much in JavaScript, where each newline to be found and each value to be copied is a call into native code.
;; line-kernel.ts owns the memory and is the only caller; line-kernel-code.ts is this file assembled (`npm run docs` writes it, a test compares).
;;
;; Both loops stop, with nothing half done, at the first thing that is not plain: the caller handles it in JavaScript. Loads and copies go in
;; steps of 16 bytes and may touch 15 bytes beyond their end: the caller leaves that room.
(module
  (import "kernel" "memory" (memory 1))

  ;; What $get has read last.
  (global $number (mut i32) (i32.const 0))
  ;; The bounds of what $getDelta has read.
  (global $earliest (mut i64) (i64.const 0))
  (global $latest (mut i64) (i64.const 0))

  ;; Bytes of an unsigned varint.
  (func $size (param $value i64) (result i32)
    (local $bytes i32)
    (local.set $bytes (i32.const 1))
    (loop $more
      (if (i64.ge_u (local.get $value) (i64.const 0x80))
        (then
          (local.set $value (i64.shr_u (local.get $value) (i64.const 7)))
          (local.set $bytes (i32.add (local.get $bytes) (i32.const 1)))
          (br $more))))
    (local.get $bytes))

  ;; Writes an unsigned varint; returns the address behind it.
  (func $put (param $value i64) (param $to i32) (result i32)
    (loop $more
      (if (i64.ge_u (local.get $value) (i64.const 0x80))
        (then
          (i64.store8 (local.get $to) (i64.or (local.get $value) (i64.const 0x80)))
          (local.set $value (i64.shr_u (local.get $value) (i64.const 7)))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (br $more))))
    (i64.store8 (local.get $to) (local.get $value))
    (i32.add (local.get $to) (i32.const 1)))

  ;; Kafka's varints are zigzag: a number that is not negative is doubled.
  (func $zigzag (param $value i32) (result i64)
    (i64.shl (i64.extend_i32_u (local.get $value)) (i64.const 1)))

  (func $copy (param $from i32) (param $end i32) (param $to i32)
    (loop $more
      (if (i32.lt_u (local.get $from) (local.get $end))
        (then
          (v128.store (local.get $to) (v128.load (local.get $from)))
          (local.set $from (i32.add (local.get $from) (i32.const 16)))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (br $more)))))

  ;; Lines of [$from, $end), which ends each with a newline, into records at $out, below $outEnd: without key, with $delta as timestamp delta,
  ;; offset deltas from $record on, and one header, the file reference: its first ten bytes stand at $reference, behind them comes $position,
  ;; that of $from in the file, as an unsigned varint. Stops at the bytes behind the last newline, at a line longer than $longest or that begins
  ;; with 16 zeros, and when $outEnd is near. Returns where it stopped, the end of the records, and the next offset delta.
  (func (export "frame")
    (param $from i32) (param $end i32) (param $out i32) (param $outEnd i32) (param $record i32)
    (param $delta i32) (param $longest i32) (param $reference i32) (param $position i64)
    (result i32 i32 i32)
    (local $at i32) (local $hits i32) (local $length i32) (local $positionBytes i32) (local $body i32)
    (block $done
      (loop $line
        (local.set $at (local.get $from))
        (block $found
          (loop $scan
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (local.set $hits
              (i8x16.bitmask (i8x16.eq (v128.load (local.get $at)) (i8x16.splat (i32.const 0x0a)))))
            (br_if $found (local.get $hits))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (br $scan)))
        (local.set $at (i32.add (local.get $at) (i32.ctz (local.get $hits))))
        ;; Behind the end lie bytes of earlier calls.
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $length (i32.sub (local.get $at) (local.get $from)))
        (br_if $done (i32.gt_u (local.get $length) (local.get $longest)))
        ;; Zeros where a line should begin are passed over (agents/tail/zeros.ts).
        (if (i32.ge_u (local.get $length) (i32.const 16))
          (then (br_if $done (i32.eqz (v128.any_true (v128.load (local.get $from)))))))
        (local.set $positionBytes (call $size (local.get $position)))
        ;; Attributes, key length, the ten bytes of the reference; then what varies.
        (local.set $body
          (i32.add (i32.add (i32.const 12) (local.get $positionBytes))
            (i32.add (local.get $length)
              (i32.add (call $size (call $zigzag (local.get $delta)))
                (i32.add (call $size (call $zigzag (local.get $record)))
                  (call $size (call $zigzag (local.get $length))))))))
        ;; The length of the body, and the room that copies need.
        (br_if $done
          (i32.gt_u (i32.add (i32.add (local.get $out) (local.get $body)) (i32.const 21)) (local.get $outEnd)))
        (local.set $out (call $put (call $zigzag (local.get $body)) (local.get $out)))
        (i32.store8 (local.get $out) (i32.const 0))
        (local.set $out
          (call $put (call $zigzag (local.get $delta)) (i32.add (local.get $out) (i32.const 1))))
        (local.set $out (call $put (call $zigzag (local.get $record)) (local.get $out)))
        (i32.store8 (local.get $out) (i32.const 1)) ;; key length -1
        (local.set $out
          (call $put (call $zigzag (local.get $length)) (i32.add (local.get $out) (i32.const 1))))
        (call $copy (local.get $from) (local.get $at) (local.get $out))
        (local.set $out (i32.add (local.get $out) (local.get $length)))
        (i64.store (local.get $out) (i64.load (local.get $reference)))
        (i32.store16 offset=8 (local.get $out) (i32.load16_u offset=8 (local.get $reference)))
        ;; The length of the header's value: the file's id (6 bytes) and the position.
        (i32.store8 offset=3 (local.get $out)
          (i32.shl (i32.add (i32.const 6) (local.get $positionBytes)) (i32.const 1)))
        (local.set $out (call $put (local.get $position) (i32.add (local.get $out) (i32.const 10))))
        (local.set $record (i32.add (local.get $record) (i32.const 1)))
        (local.set $position
          (i64.add (local.get $position) (i64.extend_i32_u (i32.add (local.get $length) (i32.const 1)))))
        (local.set $from (i32.add (local.get $at) (i32.const 1)))
        (br $line)))
    (local.get $from) (local.get $out) (local.get $record))

  ;; Reads a zigzag varint of at most five bytes below $end into $number; returns the address behind it, 0 when there is none.
  (func $get (param $at i32) (param $end i32) (result i32)
    (local $byte i32) (local $raw i32) (local $shift i32)
    (loop $more
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
      (local.set $byte (i32.load8_u (local.get $at)))
      (local.set $raw
        (i32.or (local.get $raw)
          (i32.shl (i32.and (local.get $byte) (i32.const 0x7f)) (local.get $shift))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (if (i32.ge_u (local.get $byte) (i32.const 0x80))
        (then
          (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
          (br_if $more (i32.lt_u (local.get $shift) (i32.const 35)))
          (return (i32.const 0)))))
    (global.set $number
      (i32.xor
        (i32.shr_u (local.get $raw) (i32.const 1))
        (i32.sub (i32.const 0) (i32.and (local.get $raw) (i32.const 1)))))
    (local.get $at))

  ;; Reads a zigzag varint of at most ten bytes, the delta of a timestamp, and widens $earliest and $latest by it; returns the address behind
  ;; it, 0 when there is none below $end.
  (func $getDelta (param $at i32) (param $end i32) (result i32)
    (local $byte i64) (local $raw i64) (local $shift i64)
    (loop $more
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
      (local.set $byte (i64.load8_u (local.get $at)))
      (local.set $raw
        (i64.or (local.get $raw)
          (i64.shl (i64.and (local.get $byte) (i64.const 0x7f)) (local.get $shift))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (if (i64.ge_u (local.get $byte) (i64.const 0x80))
        (then
          (local.set $shift (i64.add (local.get $shift) (i64.const 7)))
          (br_if $more (i64.lt_u (local.get $shift) (i64.const 70)))
          (return (i32.const 0)))))
    (local.set $raw
      (i64.xor
        (i64.shr_u (local.get $raw) (i64.const 1))
        (i64.sub (i64.const 0) (i64.and (local.get $raw) (i64.const 1)))))
    (if (i64.lt_s (local.get $raw) (global.get $earliest)) (then (global.set $earliest (local.get $raw))))
    (if (i64.gt_s (local.get $raw) (global.get $latest)) (then (global.set $latest (local.get $raw))))
    (local.get $at))

  ;; The address behind a field (a length, below 0 for null, and so many bytes) at $at; 0 when there is none below $end.
  (func $passField (param $at i32) (param $end i32) (result i32)
    (local.set $at (call $get (local.get $at) (local.get $end)))
    (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
    (if (i32.lt_s (global.get $number) (i32.const 0)) (then (return (local.get $at))))
    (if (i32.gt_u (global.get $number) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 0))))
    (i32.add (local.get $at) (global.get $number)))

  ;; The values of the $count records that stand in [$from, $end), each with a newline behind it, to $out: never more bytes than the records
  ;; have. Returns the end of what was written, 0 when the records are not as they should be; and the least and greatest timestamp delta.
  (func (export "unframe")
    (param $from i32) (param $end i32) (param $count i32) (param $out i32)
    (result i32 i64 i64)
    (local $at i32) (local $recordEnd i32) (local $headers i32)
    (global.set $earliest (i64.const 0x7fffffffffffffff))
    (global.set $latest (i64.const 0x8000000000000000))
    (block $invalid
      (loop $record
        (if (local.get $count)
          (then
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (local.set $at (call $get (local.get $from) (local.get $end)))
            (br_if $invalid (i32.eqz (local.get $at)))
            (br_if $invalid (i32.gt_u (global.get $number) (i32.sub (local.get $end) (local.get $at))))
            (local.set $recordEnd (i32.add (local.get $at) (global.get $number)))
            ;; Attributes, timestamp, offset, key.
            (local.set $at (call $getDelta (i32.add (local.get $at) (i32.const 1)) (local.get $recordEnd)))
            (br_if $invalid (i32.eqz (local.get $at)))
            (local.set $at (call $get (local.get $at) (local.get $recordEnd)))
            (br_if $invalid (i32.eqz (local.get $at)))
            (local.set $at (call $passField (local.get $at) (local.get $recordEnd)))
            (br_if $invalid (i32.eqz (local.get $at)))
            ;; The value; null is written as an empty line.
            (local.set $at (call $get (local.get $at) (local.get $recordEnd)))
            (br_if $invalid (i32.eqz (local.get $at)))
            (if (i32.ge_s (global.get $number) (i32.const 0))
              (then
                (br_if $invalid (i32.gt_u (global.get $number) (i32.sub (local.get $recordEnd) (local.get $at))))
                (call $copy
                  (local.get $at) (i32.add (local.get $at) (global.get $number)) (local.get $out))
                (local.set $at (i32.add (local.get $at) (global.get $number)))
                (local.set $out (i32.add (local.get $out) (global.get $number)))))
            (i32.store8 (local.get $out) (i32.const 0x0a))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (local.set $at (call $get (local.get $at) (local.get $recordEnd)))
            (br_if $invalid (i32.eqz (local.get $at)))
            (local.set $headers (global.get $number))
            (br_if $invalid (i32.lt_s (local.get $headers) (i32.const 0)))
            (loop $header
              (if (local.get $headers)
                (then
                  (local.set $headers (i32.sub (local.get $headers) (i32.const 1)))
                  (local.set $at (call $passField (local.get $at) (local.get $recordEnd)))
                  (br_if $invalid (i32.or (i32.eqz (local.get $at)) (i32.lt_s (global.get $number) (i32.const 0))))
                  (local.set $at (call $passField (local.get $at) (local.get $recordEnd)))
                  (br_if $invalid (i32.eqz (local.get $at)))
                  (br $header))))
            (br_if $invalid (i32.ne (local.get $at) (local.get $recordEnd)))
            (local.set $from (local.get $recordEnd))
            (br $record))))
      (br_if $invalid (i32.ne (local.get $from) (local.get $end)))
      (return (local.get $out) (global.get $earliest) (global.get $latest)))
    (i32.const 0) (i64.const 0) (i64.const 0))
)
