// Processors that come and go while the guest runs: the SSDT of machines that have such. The guest
// sees what Xen's tables show it (tools/libacpi/mk_dsdt.c): a processor is there if the flag of its
// entry in the MADT is set, and event 2 compares the flags with the bitmap of devices/pc/acpi_cpus.h.
// So a kernel that kexec starts finds the MADT as it is then.
DefinitionBlock ("", "SSDT", 2, "VENEER", "VNRCPUS", 1)
{
    Scope (\_SB)
    {
        // Filled in when the tables are made.
        Name (MADT, 0x7FFFFFFF) // address
        Name (NCPU, 0x7FFFFFFF) // its processors, whose entries of 8 bytes come first

        Device (HPIO)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, "CPUS")
            Name (_CRS, ResourceTemplate () { IO (Decode16, 0xAF00, 0xAF00, 1, 0x11) })
        }
        OperationRegion (PRST, SystemIO, 0xAF00, 0x11)
        Field (PRST, ByteAcc, NoLock, Preserve)
        {
            PRS, 128,
            EJCT, 8
        }
        OperationRegion (MADH, SystemMemory, MADT, 44)
        Field (MADH, ByteAcc, NoLock, Preserve)
        {
            Offset (9),
            SUM, 8
        }

        // The MADT's entry of processor Arg0.
        Method (CMAT, 1, Serialized)
        {
            OperationRegion (ENTR, SystemMemory, MADT + 44 + (Arg0 << 3), 8)
            Field (ENTR, ByteAcc, NoLock, Preserve)
            {
                MAT, 64
            }
            Return (ToBuffer (MAT))
        }

        // Whether its flag is set.
        Method (CFLG, 1)
        {
            If (Arg0 >= NCPU)
            {
                Return (0)
            }
            Return (DerefOf (CMAT (Arg0) [4]) & 1)
        }

        Method (CSTA, 1)
        {
            If (CFLG (Arg0))
            {
                Return (0x0F)
            }
            Return (0)
        }

        // Sets the flag to Arg1, which it is not.
        Method (CSET, 2, Serialized)
        {
            OperationRegion (ENTR, SystemMemory, MADT + 44 + (Arg0 << 3), 8)
            Field (ENTR, ByteAcc, NoLock, Preserve)
            {
                Offset (4),
                FLAG, 1
            }
            FLAG = Arg1
            If (Arg1)
            {
                SUM--
            }
            Else
            {
                SUM++
            }
        }

        // Device check for those that are there now, eject request for those that shall go.
        Method (PRSC, 0, Serialized)
        {
            Local0 = PRS
            Local1 = 0
            While (Local1 < NCPU)
            {
                Local2 = (DerefOf (Local0 [Local1 >> 3]) >> (Local1 & 7)) & 1
                If (Local2 != CFLG (Local1))
                {
                    CSET (Local1, Local2)
                    If (Local2)
                    {
                        CNOT (Local1, 1)
                    }
                    Else
                    {
                        CNOT (Local1, 3)
                    }
                }
                Local1++
            }
        }

        // The processors, and CNOT, which notifies number Arg0 of Arg1.
        Include ("cpu_objects.asl")
    }

    Scope (\_GPE)
    {
        Method (_E02)
        {
            \_SB.PRSC ()
        }
    }
}
