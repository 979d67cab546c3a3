{ SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause }
{ main, a, b, spin }
program chain;

uses
  sysutils;

var
  sink: QWord;
  stop: QWord;

procedure spin(n: QWord);
var
  i: QWord;
begin
  for i := 1 to n do
    sink := sink + i;
end;

procedure b(n: QWord);
begin
  spin(n);
  inc(sink);
end;

procedure a(n: QWord);
begin
  b(n);
  inc(sink);
end;

begin
  stop := GetTickCount64 + 1000;
  while GetTickCount64 < stop do
    a(1000000);
end.
