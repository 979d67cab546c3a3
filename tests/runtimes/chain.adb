--  SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
--  Chain, A, B, Spin
with Ada.Calendar; use Ada.Calendar;

procedure Chain is
   type Count is mod 2 ** 64;
   Sink : Count := 0 with Volatile;

   procedure Spin (N : Count) with No_Inline;
   procedure B (N : Count) with No_Inline;
   procedure A (N : Count) with No_Inline;

   procedure Spin (N : Count) is
   begin
      for I in 1 .. N loop
         Sink := Sink + I;
      end loop;
   end Spin;

   procedure B (N : Count) is
   begin
      Spin (N);
      Sink := Sink + 1;
   end B;

   procedure A (N : Count) is
   begin
      B (N);
      Sink := Sink + 1;
   end A;

   Stop : constant Time := Clock + 1.0;
begin
   while Clock < Stop loop
      A (1_000_000);
   end loop;
end Chain;
