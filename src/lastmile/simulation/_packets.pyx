# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Hand rays to Embree in packets of sixteen, and place shapes; called from rays.py only."""

from libc.stdint cimport uintptr_t

cdef extern from *:
    """
    #include <string.h>

    /* RTCRayHit16 of Embree 4 (rtcore_ray.h), behind the mask of the rays that count. */
    typedef struct {
        _Alignas(64) int valid[16];
        float origin[3][16];
        float near[16];
        float direction[3][16];
        float time[16];
        float far[16];
        unsigned int mask[16];
        unsigned int id[16];
        unsigned int flags[16];
        float hit[5][16];
        unsigned int primitive[16];
        unsigned int geometry[16];
        unsigned int instances[4][16];  /* more than any build of Embree writes */
    } Packet;

    /* RTCIntersectArguments (rtcore_scene.h). */
    typedef struct {
        unsigned int flags;
        unsigned int features;
        void *pointers[3];
        float min_width;
    } Arguments;

    typedef void (*Intersect16)(const int *, void *, void *, void *);

    static void cast_packets(
        Intersect16 intersect, void *scene, const float *origins, const float *directions,
        float *reach, Py_ssize_t count)
    {
        Packet packet;
        Arguments arguments;
        Py_ssize_t first, k, i, j, used;
        memset(&packet, 0, sizeof packet);
        memset(&arguments, 0, sizeof arguments);
        arguments.flags = 1u << 16;  /* coherent: neighbours go alike */
        arguments.features = ~0u;
        for (first = 0; first < count; first += 16) {
            used = count - first < 16 ? count - first : 16;
            for (k = 0; k < 16; k++) {
                i = first + (k < used ? k : 0);
                packet.valid[k] = k < used ? -1 : 0;
                for (j = 0; j < 3; j++) {
                    packet.origin[j][k] = origins[3 * i + j];
                    packet.direction[j][k] = directions[3 * i + j];
                }
                packet.far[k] = reach[i];
            }
            /* Whole arrays at once: value by value it takes as long as the gathering above. */
            memset(packet.mask, 0xff, sizeof packet.mask);
            memset(packet.primitive, 0xff, sizeof packet.primitive);
            memset(packet.geometry, 0xff, sizeof packet.geometry);
            memset(packet.instances, 0xff, sizeof packet.instances);
            intersect(packet.valid, scene, packet.origin, &arguments);
            for (k = 0; k < used; k++)
                reach[first + k] = packet.far[k];
        }
    }

    /* Functions of Embree, and an instance's kind and matrix layout (rtcore_common.h). */
    typedef void *(*NewGeometry)(void *, int);
    typedef void (*SetInstancedScene)(void *, void *);
    typedef void (*SetTransform)(void *, unsigned int, int, const void *);
    typedef void (*OfGeometry)(void *);
    typedef unsigned int (*Attach)(void *, void *);
    enum { INSTANCE = 121, THREE_ROWS_OF_FOUR = 0x9134 };
    """
    ctypedef void (*Intersect16)(const int *, void *, void *, void *) noexcept nogil
    ctypedef void *(*NewGeometry)(void *, int) noexcept nogil
    ctypedef void (*SetInstancedScene)(void *, void *) noexcept nogil
    ctypedef void (*SetTransform)(void *, unsigned int, int, const void *) noexcept nogil
    ctypedef void (*OfGeometry)(void *) noexcept nogil
    ctypedef unsigned int (*Attach)(void *, void *) noexcept nogil
    int INSTANCE
    int THREE_ROWS_OF_FOUR
    void cast_packets(
        Intersect16 intersect,
        void *scene,
        const float *origins,
        const float *directions,
        float *reach,
        Py_ssize_t count,
    ) noexcept nogil


def cast(
    uintptr_t intersect16,
    uintptr_t scene,
    const float[:, ::1] origins,
    const float[:, ::1] directions,
    float[::1] reach,
):
    """Shorten each `reach` to the nearest hit, by `rtcIntersect16` at the given address."""
    if reach.shape[0] == 0:
        return
    with nogil:
        cast_packets(
            <Intersect16>intersect16,
            <void *>scene,
            &origins[0, 0],
            &directions[0, 0],
            &reach[0],
            reach.shape[0],
        )


def place(
    tuple functions,
    uintptr_t device,
    uintptr_t scene,
    const uintptr_t[::1] shapes,
    const float[:, :, ::1] transforms,
):
    """
    Attach an instance of each of the scenes `shapes` to `scene`, at `transforms` (N, 3, 4).

    `functions` are the addresses of rtcNewGeometry, rtcSetGeometryInstancedScene,
    rtcSetGeometryTransform, rtcCommitGeometry, rtcAttachGeometry and rtcReleaseGeometry.
    """
    cdef uintptr_t new, set_scene, set_transform, commit, attach, release
    cdef Py_ssize_t i
    cdef void *geometry
    new, set_scene, set_transform, commit, attach, release = functions
    with nogil:
        for i in range(shapes.shape[0]):
            geometry = (<NewGeometry>new)(<void *>device, INSTANCE)
            (<SetInstancedScene>set_scene)(geometry, <void *>shapes[i])
            (<SetTransform>set_transform)(geometry, 0, THREE_ROWS_OF_FOUR, &transforms[i, 0, 0])
            (<OfGeometry>commit)(geometry)
            (<Attach>attach)(<void *>scene, geometry)
            (<OfGeometry>release)(geometry)
