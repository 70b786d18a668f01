! Fortran 2003: shm_util through iso_c_binding.
!
!     gfortran sum.f90 -lshm_util

module shm_util
  use, intrinsic :: iso_c_binding
  implicit none

  interface
     integer(c_int) function shmCreate (name, size, address, memory) bind (C, name='shmCreate')
       import
       character(kind=c_char), intent(in) :: name(*) ! ends with c_null_char
       integer(c_long), value :: size
       type(c_ptr), intent(inout) :: address ! c_null_ptr: the system chooses
       type(c_ptr), intent(out) :: memory
     end function shmCreate

     ! Detaches, and never deletes what the other programs still need.
     integer(c_int) function shmxDetach (memory) bind (C, name='shmxDetach')
       import
       type(c_ptr), value :: memory
     end function shmxDetach

     integer(c_long) function shmSizeOf (memory) bind (C, name='shmSizeOf')
       import
       type(c_ptr), value :: memory
     end function shmSizeOf
  end interface
end module shm_util

program sum_numbers
  use shm_util
  implicit none

  type, bind(C) :: numbers
     integer(c_int32_t) :: count
     integer(c_int32_t) :: numbers(100)
     integer(c_int32_t) :: sum
     character(kind=c_char) :: who(16)
  end type numbers

  type(c_ptr) :: address = c_null_ptr, memory
  type(numbers), pointer :: shared
  character(len=16), parameter :: who = 'Fortran' // repeat (c_null_char, 9)
  integer :: i

  if (shmCreate ('numbers' // c_null_char, 0_c_long, address, memory) /= 0) error stop 'shmCreate'
  if (shmSizeOf (memory) < 424) error stop 'the segment is too small'
  call c_f_pointer (address, shared)

  shared%sum = sum (shared%numbers(:min (shared%count, 100)))
  do i = 1, len (who)
     shared%who(i) = who(i:i)
  end do

  nullify (shared)
  if (shmxDetach (memory) /= 0) error stop 'shmxDetach'
end program sum_numbers
