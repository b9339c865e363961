;; Undoes blocks of LZ4 and Snappy, in WebAssembly: what a broker does with each compressed batch before it may join the log. A batch of 22 KB takes
;; some 10 us here, where a native package takes 100: most of those go into making, and giving back, memory outside the heap.
;; block-kernel.ts owns the memory and is the only caller; block-kernel-code.ts is this file assembled (`npm run docs` writes it, a test compares).
;;
;; Every length and distance is checked before anything is copied. Copies go in steps of 16 bytes and may touch 15 bytes beyond their end: the caller
;; leaves that room. What is damaged gives 0, which no address is.
(module
  (import "kernel" "memory" (memory 1))

  (func $copy (param $from i32) (param $end i32) (param $to i32)
    (loop $more
      (if (i32.lt_u (local.get $from) (local.get $end))
        (then
          (v128.store (local.get $to) (v128.load (local.get $from)))
          (local.set $from (i32.add (local.get $from) (i32.const 16)))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (br $more)))))

  ;; Repeats the $length bytes that begin $distance before $out; they may reach beyond $out, which repeats them again.
  (func $repeat (param $out i32) (param $distance i32) (param $length i32)
    (local $end i32) (local $near i32) (local $multiple i32)
    (local.set $end (i32.add (local.get $out) (local.get $length)))
    ;; What repeats with a distance below 16 repeats with every multiple of it, too: single bytes until that multiple is there that 16 fit into.
    (if (i32.lt_u (local.get $distance) (i32.const 16))
      (then
        (local.set $multiple
          (i32.mul (local.get $distance)
            (i32.div_u (i32.add (local.get $distance) (i32.const 15)) (local.get $distance))))
        (local.set $near
          (i32.add (local.get $out) (i32.sub (local.get $multiple) (local.get $distance))))
        (if (i32.gt_u (local.get $near) (local.get $end)) (then (local.set $near (local.get $end))))
        (loop $byte
          (if (i32.lt_u (local.get $out) (local.get $near))
            (then
              (i32.store8 (local.get $out) (i32.load8_u (i32.sub (local.get $out) (local.get $distance))))
              (local.set $out (i32.add (local.get $out) (i32.const 1)))
              (br $byte))))
        (local.set $distance (local.get $multiple))))
    (call $copy
      (i32.sub (local.get $out) (local.get $distance))
      (i32.sub (local.get $end) (local.get $distance))
      (local.get $out)))

  ;; Where the bytes of a length of LZ4 that goes on after its four bits end, and their sum.
  (func $extended (param $from i32) (param $end i32) (param $sum i32) (result i32 i32)
    (local $byte i32)
    (loop $more
      (if (i32.ge_u (local.get $from) (local.get $end)) (then (return (i32.const 0) (i32.const 0))))
      (local.set $byte (i32.load8_u (local.get $from)))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (local.get $byte)))
      (br_if $more (i32.eq (local.get $byte) (i32.const 255))))
    (local.get $from) (local.get $sum))

  ;; The LZ4 block (lz4_Block_format.md) in [$from, $end) to $out, which may not pass $limit; distances may reach back to $start. Returns the end of
  ;; what was written. A block has less than 16 MB, so that no sum of lengths overflows.
  (func (export "lz4")
    (param $from i32) (param $end i32) (param $start i32) (param $out i32) (param $limit i32) (result i32)
    (local $token i32) (local $length i32) (local $distance i32)
    (block $damaged
      (loop $sequence
        (br_if $damaged (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $token (i32.load8_u (local.get $from)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $length (i32.shr_u (local.get $token) (i32.const 4)))
        (if (i32.eq (local.get $length) (i32.const 15))
          (then
            (call $extended (local.get $from) (local.get $end) (i32.const 15))
            (local.set $length)
            (br_if $damaged (i32.eqz (local.tee $from)))))
        (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $end) (local.get $from))))
        (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $limit) (local.get $out))))
        (call $copy (local.get $from) (i32.add (local.get $from) (local.get $length)) (local.get $out))
        (local.set $from (i32.add (local.get $from) (local.get $length)))
        (local.set $out (i32.add (local.get $out) (local.get $length)))
        ;; The last sequence has literals only.
        (if (i32.eq (local.get $from) (local.get $end)) (then (return (local.get $out))))
        (br_if $damaged (i32.lt_u (i32.sub (local.get $end) (local.get $from)) (i32.const 2)))
        (local.set $distance (i32.load16_u (local.get $from)))
        (local.set $from (i32.add (local.get $from) (i32.const 2)))
        (br_if $damaged (i32.eqz (local.get $distance)))
        (br_if $damaged (i32.gt_u (local.get $distance) (i32.sub (local.get $out) (local.get $start))))
        (local.set $length (i32.and (local.get $token) (i32.const 15)))
        (if (i32.eq (local.get $length) (i32.const 15))
          (then
            (call $extended (local.get $from) (local.get $end) (i32.const 15))
            (local.set $length)
            (br_if $damaged (i32.eqz (local.tee $from)))))
        (local.set $length (i32.add (local.get $length) (i32.const 4)))
        (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $limit) (local.get $out))))
        (call $repeat (local.get $out) (local.get $distance) (local.get $length))
        (local.set $out (i32.add (local.get $out) (local.get $length)))
        (br $sequence)))
    (i32.const 0))

  ;; The elements of a Snappy block (format_description.txt; behind the length) in [$from, $end) to $out, which may not pass $limit. Returns the end
  ;; of what was written.
  (func (export "snappy") (param $from i32) (param $end i32) (param $out i32) (param $limit i32) (result i32)
    (local $start i32) (local $tag i32) (local $kind i32) (local $length i32) (local $distance i32) (local $bytes i32)
    (local.set $start (local.get $out))
    (block $damaged
      (loop $element
        (if (i32.ge_u (local.get $from) (local.get $end)) (then (return (local.get $out))))
        (local.set $tag (i32.load8_u (local.get $from)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $kind (i32.and (local.get $tag) (i32.const 3)))
        (local.set $length (i32.add (i32.shr_u (local.get $tag) (i32.const 2)) (i32.const 1)))
        (if (i32.eqz (local.get $kind))
          (then
            ;; Literals: 61 to 64 say that the length less one stands in the next one to four bytes.
            (if (i32.gt_u (local.get $length) (i32.const 60))
              (then
                (local.set $bytes (i32.sub (local.get $length) (i32.const 60)))
                (br_if $damaged (i32.gt_u (local.get $bytes) (i32.sub (local.get $end) (local.get $from))))
                (local.set $length
                  (i32.and
                    (i32.load (local.get $from))
                    (i32.shr_u (i32.const -1) (i32.sub (i32.const 32) (i32.shl (local.get $bytes) (i32.const 3))))))
                (br_if $damaged (i32.eq (local.get $length) (i32.const -1)))
                (local.set $length (i32.add (local.get $length) (i32.const 1)))
                (local.set $from (i32.add (local.get $from) (local.get $bytes)))))
            (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $end) (local.get $from))))
            (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $limit) (local.get $out))))
            (call $copy (local.get $from) (i32.add (local.get $from) (local.get $length)) (local.get $out))
            (local.set $from (i32.add (local.get $from) (local.get $length))))
          (else
            ;; A distance of one byte and three bits, of two, or of four bytes.
            (local.set $bytes (i32.shl (i32.const 1) (i32.sub (local.get $kind) (i32.const 1))))
            (br_if $damaged (i32.gt_u (local.get $bytes) (i32.sub (local.get $end) (local.get $from))))
            (local.set $distance
              (i32.and
                (i32.load (local.get $from))
                (i32.shr_u (i32.const -1) (i32.sub (i32.const 32) (i32.shl (local.get $bytes) (i32.const 3))))))
            (local.set $from (i32.add (local.get $from) (local.get $bytes)))
            (if (i32.eq (local.get $kind) (i32.const 1))
              (then
                (local.set $length
                  (i32.add
                    (i32.and (i32.shr_u (local.get $tag) (i32.const 2)) (i32.const 7))
                    (i32.const 4)))
                (local.set $distance
                  (i32.or
                    (i32.shl (i32.shr_u (local.get $tag) (i32.const 5)) (i32.const 8))
                    (local.get $distance)))))
            (br_if $damaged (i32.eqz (local.get $distance)))
            (br_if $damaged (i32.gt_u (local.get $distance) (i32.sub (local.get $out) (local.get $start))))
            (br_if $damaged (i32.gt_u (local.get $length) (i32.sub (local.get $limit) (local.get $out))))
            (call $repeat (local.get $out) (local.get $distance) (local.get $length))))
        (local.set $out (i32.add (local.get $out) (local.get $length)))
        (br $element)))
    (i32.const 0))

  (func $round (param $lane i32) (param $value i32) (result i32)
    (i32.mul
      (i32.rotl (i32.add (local.get $lane) (i32.mul (local.get $value) (i32.const 0x85ebca77))) (i32.const 13))
      (i32.const 0x9e3779b1)))

  ;; XXH32 (xxhash_spec.md) of [$from, $end) with the seed 0: the checksum of LZ4 frames.
  (func (export "xxh32") (param $from i32) (param $end i32) (result i32)
    (local $hash i32) (local $length i32) (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local.set $length (i32.sub (local.get $end) (local.get $from)))
    (local.set $hash (i32.const 0x165667b1))
    (if (i32.ge_u (local.get $length) (i32.const 16))
      (then
        (local.set $a (i32.add (i32.const 0x9e3779b1) (i32.const 0x85ebca77)))
        (local.set $b (i32.const 0x85ebca77))
        (local.set $d (i32.sub (i32.const 0) (i32.const 0x9e3779b1)))
        (loop $stripe
          (local.set $a (call $round (local.get $a) (i32.load (local.get $from))))
          (local.set $b (call $round (local.get $b) (i32.load offset=4 (local.get $from))))
          (local.set $c (call $round (local.get $c) (i32.load offset=8 (local.get $from))))
          (local.set $d (call $round (local.get $d) (i32.load offset=12 (local.get $from))))
          (local.set $from (i32.add (local.get $from) (i32.const 16)))
          (br_if $stripe (i32.ge_u (i32.sub (local.get $end) (local.get $from)) (i32.const 16))))
        (local.set $hash
          (i32.add
            (i32.add (i32.rotl (local.get $a) (i32.const 1)) (i32.rotl (local.get $b) (i32.const 7)))
            (i32.add (i32.rotl (local.get $c) (i32.const 12)) (i32.rotl (local.get $d) (i32.const 18)))))))
    (local.set $hash (i32.add (local.get $hash) (local.get $length)))
    (loop $word
      (if (i32.ge_u (i32.sub (local.get $end) (local.get $from)) (i32.const 4))
        (then
          (local.set $hash
            (i32.mul
              (i32.rotl
                (i32.add (local.get $hash) (i32.mul (i32.load (local.get $from)) (i32.const 0xc2b2ae3d)))
                (i32.const 17))
              (i32.const 0x27d4eb2f)))
          (local.set $from (i32.add (local.get $from) (i32.const 4)))
          (br $word))))
    (loop $byte
      (if (i32.lt_u (local.get $from) (local.get $end))
        (then
          (local.set $hash
            (i32.mul
              (i32.rotl
                (i32.add (local.get $hash) (i32.mul (i32.load8_u (local.get $from)) (i32.const 0x165667b1)))
                (i32.const 11))
              (i32.const 0x9e3779b1)))
          (local.set $from (i32.add (local.get $from) (i32.const 1)))
          (br $byte))))
    (local.set $hash
      (i32.mul
        (i32.xor (local.get $hash) (i32.shr_u (local.get $hash) (i32.const 15)))
        (i32.const 0x85ebca77)))
    (local.set $hash
      (i32.mul
        (i32.xor (local.get $hash) (i32.shr_u (local.get $hash) (i32.const 13)))
        (i32.const 0xc2b2ae3d)))
    (i32.xor (local.get $hash) (i32.shr_u (local.get $hash) (i32.const 16))))
)
