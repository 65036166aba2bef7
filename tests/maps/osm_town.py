"""A town of a few ways, written as OpenStreetMap XML, with coordinates in metres."""

from xml.sax.saxutils import quoteattr

from lastmile.geometry.wgs84 import MapProjection

LATITUDE, LONGITUDE, EPSG = 60.17, 24.94, 3879


class OsmTown:
    def __init__(self):
        self._projection = MapProjection(LATITUDE, LONGITUDE, EPSG)
        self._ids = {}
        self._node_tags = {}
        self._ways = []

    def node(self, x, y, **tags):
        node = self._ids.setdefault((float(x), float(y)), len(self._ids) + 1)
        self._node_tags.setdefault(node, {}).update(tags)
        return node

    def way(self, points, closed=False, **tags):
        refs = [self.node(x, y) for x, y in points]
        self._ways.append((refs + refs[:1] if closed else refs, tags))
        return len(self._ways)

    def building(self, x0, y0, x1, y1, **tags):
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        return self.way(corners, closed=True, **{"building": "yes", **tags})

    def text(self):
        lines = ['<?xml version="1.0"?>', '<osm version="0.6">']
        for (x, y), node in self._ids.items():
            lat, lon = self._projection.to_wgs84([x, y])
            tags = _tags(self._node_tags[node])
            lines.append(
                f'<node id="{node}" version="1" lat="{lat:.8f}" lon="{lon:.8f}">{tags}</node>'
            )
        for i, (refs, tags) in enumerate(self._ways, start=1):
            nodes = "".join(f'<nd ref="{ref}"/>' for ref in refs)
            lines.append(f'<way id="{i}" version="1">{nodes}{_tags(tags)}</way>')
        return "\n".join([*lines, "</osm>", ""])


def _tags(tags):
    return "".join(
        f"<tag k={quoteattr(k.replace('__', ':'))} v={quoteattr(v)}/>" for k, v in tags.items()
    )


def street():
    """Two sidewalks along a road, joined by a signalled crossing node and a crossing way."""
    town = OsmTown()
    road = [(-100, 0), (-20, 0), (30, 0), (60, 0), (100, 0)]
    town.way(road, highway="secondary", lanes="2", maxspeed="40")
    for y in (6, -6):
        town.way([(-80, y), (-20, y), (30, y), (80, y)], highway="footway", footway="sidewalk")
    town.way([(-20, 6), (-20, 0), (-20, -6)], highway="footway", surface="asphalt")
    town.node(-20, 0, highway="crossing", crossing="traffic_signals")
    town.way([(30, 6), (30, 0), (30, -6)], highway="footway", footway="crossing", width="4")
    town.building(-80, 8, 80, 40, building__levels="5")
    town.building(-80, -40, 80, -8)
    return town
