! SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
! chain, a, b, spin
module parts
  implicit none
  integer(8), volatile :: sink = 0
contains
  subroutine spin(n)
    integer(8), intent(in) :: n
    integer(8) :: i
    do i = 1, n
      sink = sink + i
    end do
  end subroutine
  subroutine b(n)
    integer(8), intent(in) :: n
    call spin(n)
    sink = sink + 1
  end subroutine
  subroutine a(n)
    integer(8), intent(in) :: n
    call b(n)
    sink = sink + 1
  end subroutine
end module
program chain
  use parts
  real :: now
  do
    call a(1000000_8)
    call cpu_time(now)
    if (now > 1.0) exit
  end do
end program
