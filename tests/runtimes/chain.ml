(* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause *)
(* a, b, spin *)
let sink = ref 0
let[@inline never] spin n = for i = 0 to n do sink := !sink + i done
let[@inline never] b n = spin n; incr sink
let[@inline never] a n = b n; incr sink
let () = let stop = Sys.time () +. 1.0 in while Sys.time () < stop do a 1000000 done
