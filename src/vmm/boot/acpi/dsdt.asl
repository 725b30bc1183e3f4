// What a guest cannot find out by itself: how to power off, and what the PCI root bridge decodes
// and how its interrupts are wired (devices/pci_host.h).
//
// Kept tiny on purpose. Hosts that emulate the guest's kernel pay for every byte and every device
// in here. Serial port, clock and reset are found at their legacy places or through the FADT,
// processors through the MADT, so none of them is repeated.
DefinitionBlock ("", "DSDT", 2, "VENEER", "VENEER", 1)
{
    Name (_S5, Package () { 5, 5 })

    Device (\_SB.PCI0)
    {
        Name (_HID, EisaId ("PNP0A03"))

        Name (_CRS, ResourceTemplate ()
        {
            WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                0, 0, 0, 0, 1)
            // Up to the configuration ports, for functions with legacy ports such as IDE.
            WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                0, 0x0000, 0x0CF7, 0, 0x0CF8)
            WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                0, 0x0D00, 0xFFFF, 0, 0xF300)
            DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                0, 0xC0000000, 0xFEBFFFFF, 0, 0x3EC00000)
        })

        // INTA of slots 1 to 7. Interrupts below 16 are the same with PIC and IOAPIC.
        Name (_PRT, Package ()
        {
            Package () { 0x0001FFFF, 0, 0, 10 },
            Package () { 0x0002FFFF, 0, 0, 11 },
            Package () { 0x0003FFFF, 0, 0, 12 },
            Package () { 0x0004FFFF, 0, 0, 5 },
            Package () { 0x0005FFFF, 0, 0, 10 },
            Package () { 0x0006FFFF, 0, 0, 11 },
            Package () { 0x0007FFFF, 0, 0, 12 },
        })
    }
}
