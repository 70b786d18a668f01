--  Ada 2012: a record in the segment.
--
--      gnatmake sum.adb -largs -lshm_util

with Interfaces.C;            use Interfaces, Interfaces.C;
with Interfaces.C.Strings;
with System;

procedure Sum is

   type Shared_Memory is new System.Address;

   function shmCreate
     (Name    : Strings.chars_ptr;
      Size    : long;
      Address : in out System.Address;  --  Null_Address: the system chooses
      Memory  : out Shared_Memory) return int
     with Import, Convention => C, External_Name => "shmCreate";

   --  Detaches, and never deletes what the other programs still need.
   function shmxDetach (Memory : Shared_Memory) return int
     with Import, Convention => C, External_Name => "shmxDetach";

   function shmSizeOf (Memory : Shared_Memory) return long
     with Import, Convention => C, External_Name => "shmSizeOf";

   type Number_Array is array (1 .. 100) of Integer_32
     with Convention => C;

   type Numbers is record
      Count   : Integer_32;
      Numbers : Number_Array;
      Sum     : Integer_32;
      Who     : char_array (1 .. 16);
   end record
     with Convention => C, Volatile;

   Name    : Strings.chars_ptr := Strings.New_String ("numbers");
   Address : System.Address := System.Null_Address;
   Memory  : Shared_Memory;

begin
   if shmCreate (Name, 0, Address, Memory) /= 0 then
      raise Program_Error with "shmCreate";
   end if;
   Strings.Free (Name);
   if shmSizeOf (Memory) < Numbers'Size / 8 then
      raise Program_Error with "the segment is too small";
   end if;

   declare
      Shared : Numbers
        with Import, Address => Address;
      Total  : Integer_32 := 0;
   begin
      for I in 1 .. Integer'Min (Integer (Shared.Count), 100) loop
         Total := Total + Shared.Numbers (I);
      end loop;
      Shared.Sum := Total;
      Shared.Who := (1 => 'A', 2 => 'd', 3 => 'a', others => nul);
   end;

   if shmxDetach (Memory) /= 0 then
      raise Program_Error with "shmxDetach";
   end if;
end Sum;
