-- SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
-- Code of Haskell's keeps its frames elsewhere; C, which it calls, returns to it.
module Main where

import Data.Bits (xor)
import Data.List (foldl')
import System.CPUTime (getCPUTime)

spin :: Int -> Int
spin n = foldl' (\x i -> (x * 31 + i) `xor` (x `div` 7)) 1 [1 .. n]
{-# NOINLINE spin #-}

loop :: Integer -> Int -> IO ()
loop end n = do
  now <- getCPUTime
  if spin n == 42 || now > end then return () else loop end (n + 1)

main :: IO ()
main = loop 1000000000000 100000
